/* The floor that the media plane is measured against: a relay of epoll, recvfrom and two sends a
 * packet that checks nothing, and the load that drives either. Talks lines on stdin and stdout.
 *
 *   relay serve N   then N lines "phone sink"; answers the N ports of its legs in one line;
 *                   "count" answers the packets it has received
 *   relay load N    answers N phones' ports and N sinks' ports in one line;
 *                   "run MS PPS port..." sends PPS packets a second for MS ms, phone by phone, and
 *                   answers "sent received": received counts what phones and sinks got */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LEGS_MAX = 4096, PACKET_BYTES = 172, EVENTS_MAX = 256, BATCH = 32 };

static struct sockaddr_in at(int port) {
  struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return a;
}

static int open_socket(int *port) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  struct sockaddr_in a = at(0);
  socklen_t length = sizeof a;
  if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) != 0) { perror("socket"); exit(1); }
  getsockname(fd, (struct sockaddr *)&a, &length);
  *port = ntohs(a.sin_port);
  return fd;
}

static void serve(int legs) {
  static int leg[LEGS_MAX], fork_fd[LEGS_MAX];
  static struct sockaddr_in phone[LEGS_MAX], srs[LEGS_MAX];
  unsigned long packets = 0;
  int poll = epoll_create1(0), port, sink;
  for (int i = 0; i < legs; i++) {
    if (scanf("%d %d", &port, &sink) != 2) exit(1);
    phone[i] = at(port);
    srs[i] = at(sink);
    fork_fd[i] = open_socket(&port);
    leg[i] = open_socket(&port);
    struct epoll_event event = { .events = EPOLLIN, .data.u32 = i };
    epoll_ctl(poll, EPOLL_CTL_ADD, leg[i], &event);
    printf("%d ", port);
  }
  printf("\n");
  fflush(stdout);
  struct epoll_event input = { .events = EPOLLIN, .data.u32 = LEGS_MAX };
  epoll_ctl(poll, EPOLL_CTL_ADD, 0, &input);
  for (;;) {
    struct epoll_event ready[EVENTS_MAX];
    int count = epoll_wait(poll, ready, EVENTS_MAX, -1);
    for (int e = 0; e < count; e++) {
      unsigned i = ready[e].data.u32;
      if (i == LEGS_MAX) {
        char line[64];
        if (read(0, line, sizeof line) <= 0) exit(0);
        printf("%lu\n", packets);
        fflush(stdout);
        continue;
      }
      unsigned char p[2048];
      struct sockaddr_in from;
      socklen_t length = sizeof from;
      ssize_t bytes = recvfrom(leg[i], p, sizeof p, 0, (struct sockaddr *)&from, &length);
      if (bytes < 12) continue;
      packets++;
      sendto(leg[i ^ 1], p, bytes, 0, (struct sockaddr *)&phone[i ^ 1], sizeof phone[0]);
      memset(p + 8, i, 4);
      sendto(fork_fd[i], p, bytes, 0, (struct sockaddr *)&srs[i], sizeof srs[0]);
    }
  }
}

static double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static unsigned long drain(int fd) {
  static unsigned char bytes[BATCH][256];
  static struct iovec parts[BATCH];
  static struct mmsghdr messages[BATCH];
  unsigned long all = 0;
  for (int i = 0; i < BATCH; i++) {
    parts[i] = (struct iovec){ bytes[i], sizeof bytes[i] };
    messages[i].msg_hdr = (struct msghdr){ .msg_iov = &parts[i], .msg_iovlen = 1 };
  }
  for (;;) {
    int count = recvmmsg(fd, messages, BATCH, MSG_DONTWAIT, NULL);
    if (count > 0) all += count;
    if (count < BATCH) return all;
  }
}

static void load(int legs) {
  static int fd[2 * LEGS_MAX], ports[2 * LEGS_MAX];
  static struct sockaddr_in to[LEGS_MAX];
  static unsigned sequence[LEGS_MAX];
  for (int i = 0; i < 2 * legs; i++) {
    fd[i] = open_socket(&ports[i]);
    printf("%d ", ports[i]);
  }
  printf("\n");
  fflush(stdout);
  int ms, pps, port;
  while (scanf(" run %d %d", &ms, &pps) == 2) {
    for (int i = 0; i < legs && scanf("%d", &port) == 1; i++) to[i] = at(port);
    unsigned long sent = 0, received = 0;
    int phone = 0, reader = 0;
    double start = now_ms();
    for (double passed = 0; passed < ms; passed = now_ms() - start) {
      for (; sent < passed * pps / 1000; sent++, phone = (phone + 1) % legs) {
        unsigned char p[PACKET_BYTES] = { 0x80, 0 };
        unsigned s = sequence[phone]++, t = htonl(160 * s), ssrc = htonl(phone + 1);
        p[2] = s >> 8;
        p[3] = s;
        memcpy(p + 4, &t, 4);
        memcpy(p + 8, &ssrc, 4);
        sendto(fd[phone], p, sizeof p, 0, (struct sockaddr *)&to[phone], sizeof to[0]);
      }
      for (int i = 0; i < legs / 8 + 1; i++, reader = (reader + 1) % (2 * legs)) {
        received += drain(fd[reader]);
      }
      usleep(500);
    }
    usleep(50000);
    for (int i = 0; i < 2 * legs; i++) received += drain(fd[i]);
    printf("%lu %lu\n", sent, received);
    fflush(stdout);
  }
}

int main(int argc, char **argv) {
  int legs = argc > 2 ? atoi(argv[2]) : 0;
  struct rlimit files = { 65536, 65536 };
  setrlimit(RLIMIT_NOFILE, &files);
  if (legs < 2 || legs > LEGS_MAX || legs % 2 != 0) return 2;
  if (strcmp(argv[1], "serve") == 0) serve(legs);
  else load(legs);
  return 0;
}
