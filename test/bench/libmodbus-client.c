/* The reference of the poll bench: a libmodbus client that reads 100 holding registers, one request at a time.
 * cc -O2 -o client libmodbus-client.c $(pkg-config --cflags --libs libmodbus); client PORT SECONDS
 * Prints one line of JSON: {"requests":N,"seconds":S,"perSecond":R}. */
#include <errno.h>
#include <modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return at.tv_sec + at.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
  int port = argc > 1 ? atoi(argv[1]) : 1502;
  double seconds = argc > 2 ? atof(argv[2]) : 5;
  modbus_t *ctx = modbus_new_tcp("127.0.0.1", port);
  uint16_t registers[100];
  if (ctx == NULL || modbus_connect(ctx) < 0) {
    fprintf(stderr, "cannot connect: %s\n", modbus_strerror(errno));
    return 1;
  }
  modbus_set_slave(ctx, 1);
  long requests = 0;
  double start = now(), end = start + seconds, at = start;
  while (at < end) {
    for (int batch = 0; batch < 100; batch++) {
      if (modbus_read_registers(ctx, 0, 100, registers) != 100) {
        fprintf(stderr, "read failed: %s\n", modbus_strerror(errno));
        return 1;
      }
      requests++;
    }
    at = now();
  }
  printf("{\"requests\":%ld,\"seconds\":%.3f,\"perSecond\":%.0f}\n", requests, at - start, requests / (at - start));
  modbus_close(ctx);
  modbus_free(ctx);
  return 0;
}
