/* The benches' device: a libmodbus TCP server with 10,000 holding registers that count up from their address.
 * cc -O2 -o server libmodbus-server.c $(pkg-config --cflags --libs libmodbus); server PORT
 * Prints "ready" when it listens; serves several clients, one after the other as requests arrive. */
#include <errno.h>
#include <modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/select.h>
#include <unistd.h>

int main(int argc, char **argv) {
  modbus_t *ctx = modbus_new_tcp("127.0.0.1", argc > 1 ? atoi(argv[1]) : 1502);
  modbus_mapping_t *map = modbus_mapping_new(10000, 10000, 10000, 10000);
  uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
  if (ctx == NULL || map == NULL) return 1;
  for (int at = 0; at < 10000; at++) {
    map->tab_registers[at] = (uint16_t)at;
    map->tab_input_registers[at] = (uint16_t)at;
    map->tab_bits[at] = map->tab_input_bits[at] = (uint8_t)(at % 3 == 0);
  }
  int listener = modbus_tcp_listen(ctx, 16);
  if (listener < 0) {
    fprintf(stderr, "cannot listen: %s\n", modbus_strerror(errno));
    return 1;
  }
  printf("ready\n");
  fflush(stdout);

  fd_set known;
  FD_ZERO(&known);
  FD_SET(listener, &known);
  int highest = listener;
  for (;;) {
    fd_set ready = known;
    if (select(highest + 1, &ready, NULL, NULL, NULL) < 0) return 1;
    for (int fd = 0; fd <= highest; fd++) {
      if (!FD_ISSET(fd, &ready)) continue;
      if (fd == listener) {
        int client = modbus_tcp_accept(ctx, &listener);
        if (client < 0) continue;
        FD_SET(client, &known);
        if (client > highest) highest = client;
        continue;
      }
      modbus_set_socket(ctx, fd);
      int length = modbus_receive(ctx, query);
      if (length > 0) {
        modbus_reply(ctx, query, length, map);
      } else if (length < 0) {
        close(fd);
        FD_CLR(fd, &known);
      }
    }
  }
}
