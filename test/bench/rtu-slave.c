/* A Modbus RTU slave on a pty that keeps the time of a real line: a question counts as heard when its bytes would have been on
 * the wire, the answer follows after the turnaround, byte by byte. Usage: rtu-slave PTY BAUD TURNAROUND_US. On SIGTERM it
 * prints the questions, the nanoseconds from the first to the last, and how many came before t3.5 had passed. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t over;

static void end(int signal) { (void)signal; over = 1; }

static int64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void until(int64_t at) {
  struct timespec t = {at / 1000000000LL, at % 1000000000LL};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) != 0 && !over) {}
}

static uint16_t crc(const uint8_t *bytes, int count) {
  uint16_t sum = 0xffff;
  for (int at = 0; at < count; at++) {
    sum ^= bytes[at];
    for (int bit = 0; bit < 8; bit++) sum = sum & 1 ? (sum >> 1) ^ 0xa001 : sum >> 1;
  }
  return sum;
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  const int baud = atoi(argv[2]);
  const int64_t turnaround = atoll(argv[3]) * 1000;
  const int64_t byte_ns = 11000000000LL / baud;
  const int64_t gap = baud > 19200 ? 1750000 : byte_ns * 7 / 2;
  prctl(PR_SET_TIMERSLACK, 1);
  struct sigaction action = {.sa_handler = end};
  sigaction(SIGTERM, &action, NULL);
  int port = open(argv[1], O_RDWR | O_NOCTTY);
  struct termios line;
  if (port < 0 || tcgetattr(port, &line) != 0) return 1;
  cfmakeraw(&line);
  tcsetattr(port, TCSANOW, &line);
  puts("ready");
  fflush(stdout);
  uint8_t question[8], answer[256];
  long long questions = 0, early = 0;
  int64_t first = 0, last = 0, silent_since = 0;
  while (!over) {
    int count = 0;
    int64_t arrived = 0;
    while (count < 8 && !over) {
      struct pollfd wait = {port, POLLIN, 0};
      if (poll(&wait, 1, 50) <= 0) continue;
      ssize_t got = read(port, question + count, 8 - count);
      if (got <= 0) { if (over) break; continue; }
      if (count == 0) arrived = now();
      count += got;
    }
    if (over) break;
    if (crc(question, 6) != (question[6] | question[7] << 8)) { fprintf(stderr, "a question with a bad CRC\n"); return 1; }
    if (questions == 0) first = arrived;
    else if (arrived < silent_since + gap) early++;
    last = arrived;
    questions++;
    int registers = question[4] << 8 | question[5], length = 5 + 2 * registers;
    answer[0] = question[0];
    answer[1] = question[1];
    answer[2] = 2 * registers;
    for (int at = 0; at < registers; at++) {
      int value = (question[2] << 8 | question[3]) + at;
      answer[3 + 2 * at] = value >> 8;
      answer[4 + 2 * at] = value & 0xff;
    }
    uint16_t sum = crc(answer, length - 2);
    answer[length - 2] = sum & 0xff;
    answer[length - 1] = sum >> 8;
    int64_t begins = arrived + 8 * byte_ns + turnaround;
    for (int at = 0; at < length && !over; at++) {
      until(begins + (at + 1) * byte_ns);
      if (write(port, answer + at, 1) != 1) return 1;
    }
    silent_since = begins + length * byte_ns;
  }
  printf("{\"questions\":%lld,\"elapsedNs\":%lld,\"early\":%lld}\n", questions, (long long)(last - first), early);
  return 0;
}
