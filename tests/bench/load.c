/* A load generator of wrk's class: one thread, epoll, keep-alive connections, latencies kept for every request.
 *
 *   load HOST PORT CONNECTIONS SECONDS REQUESTS
 *
 * REQUESTS is a file of finished HTTP/1.1 requests, each behind its length (4 bytes, little endian). They are sent in
 * order, each once, whichever connection is free; the run ends after SECONDS, or when all are sent and answered. What
 * was asked last is waited for. The result is one line of JSON on standard output: counts by status, latencies in
 * microseconds. All connections are open, and the server has had a moment to accept them, before the first request is
 * sent: else the time of 512 handshakes would count as that of the first answers. Answers must carry Content-Length, as
 * those of both services do.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER_MOST = 256 * 1024, STATUSES = 600, SETTLE_MICROSECONDS = 400000 };

typedef struct {
    int socket;
    const char *request;      /* what is being sent or answered; NULL while idle */
    uint32_t length, sent;
    char *answer;
    size_t received;
    long needed;              /* bytes of the whole answer; 0 until its head is complete */
    int status;
    double began;
} Connection;

static const char *requests, *requests_end;
static long counts[STATUSES], errors;
static uint32_t *latencies;
static size_t answered, capacity;
static int epoll_set;
static double stop_at;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static void die(const char *what) {
    perror(what);
    exit(2);
}

static int open_connection(const struct sockaddr_in *address) {
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0) die("socket");
    if (connect(fd, (const struct sockaddr *)address, sizeof *address) < 0) die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static void watch(Connection *c, uint32_t events, int operation) {
    struct epoll_event event = {.events = events, .data.ptr = c};
    if (epoll_ctl(epoll_set, operation, c->socket, &event) < 0) die("epoll_ctl");
}

/* Returns 0 when there is nothing left to ask. */
static int take_request(Connection *c) {
    c->request = NULL;
    if (requests >= requests_end || now() >= stop_at) return 0;
    memcpy(&c->length, requests, 4);
    c->request = requests + 4;
    requests += 4 + c->length;
    c->sent = 0;
    c->received = 0;
    c->needed = 0;
    c->began = now();
    return 1;
}

static int send_some(Connection *c) {
    while (c->sent < c->length) {
        ssize_t n = send(c->socket, c->request + c->sent, c->length - c->sent, MSG_NOSIGNAL);
        if (n < 0) {
            if (errno == EAGAIN) {
                watch(c, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
                return 1;
            }
            return 0;
        }
        c->sent += n;
    }
    return 1;
}

static void read_head(Connection *c) {
    c->answer[c->received] = 0;
    char *end = strstr(c->answer, "\r\n\r\n");
    if (!end) return;
    char *length = strcasestr(c->answer, "\r\ncontent-length:");
    c->status = atoi(c->answer + 9);
    c->needed = end + 4 - c->answer + (length && length < end ? atol(length + 17) : 0);
}

static void record(Connection *c) {
    if (answered == capacity) {
        capacity = capacity ? capacity * 2 : 1 << 16;
        latencies = realloc(latencies, capacity * sizeof *latencies);
        if (!latencies) die("realloc");
    }
    latencies[answered++] = (uint32_t)((now() - c->began) * 1e6);
    counts[c->status > 0 && c->status < STATUSES ? c->status : 0]++;
}

/* Returns 0 when the connection has broken, 1 otherwise; `done` tells that an answer is complete. */
static int receive_some(Connection *c, int *done) {
    *done = 0;
    for (;;) {
        ssize_t n = recv(c->socket, c->answer + c->received, ANSWER_MOST - 1 - c->received, 0);
        if (n < 0) return errno == EAGAIN;
        if (n == 0) return 0;
        c->received += n;
        if (!c->needed) read_head(c);
        if (c->needed && (long)c->received >= c->needed) {
            record(c);
            *done = 1;
            return 1;
        }
        if (c->received >= ANSWER_MOST - 1) return 0;
    }
}

static int compare(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static uint32_t percentile(double p) {
    return answered ? latencies[(size_t)(p * (answered - 1))] : 0;
}

static void report(double seconds) {
    qsort(latencies, answered, sizeof *latencies, compare);
    printf("{\"answered\": %zu, \"seconds\": %.4f, \"errors\": %ld, \"exhausted\": %s, \"p50\": %u, \"p99\": %u, \"most\": %u, \"statuses\": {",
           answered, seconds, errors, requests >= requests_end ? "true" : "false", percentile(0.5), percentile(0.99), percentile(1.0));
    const char *comma = "";
    for (int status = 0; status < STATUSES; status++)
        if (counts[status]) {
            printf("%s\"%d\": %ld", comma, status, counts[status]);
            comma = ", ";
        }
    printf("}}\n");
}

static void map_requests(const char *path) {
    struct stat info;
    int fd = open(path, O_RDONLY);
    if (fd < 0 || fstat(fd, &info) < 0) die(path);
    requests = mmap(NULL, info.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (requests == MAP_FAILED) die("mmap");
    requests_end = requests + info.st_size;
}

/* Serves one event; returns how the number of busy connections changes. */
static int serve(Connection *c, uint32_t events, const struct sockaddr_in *address) {
    int done = 0, alive = 1;
    if (events & EPOLLOUT) {
        watch(c, EPOLLIN, EPOLL_CTL_MOD);
        alive = send_some(c);
    }
    if (alive && events & (EPOLLIN | EPOLLHUP | EPOLLERR)) alive = receive_some(c, &done);
    if (!alive) {
        errors++;
        close(c->socket);
        c->socket = open_connection(address);
        watch(c, EPOLLIN, EPOLL_CTL_ADD);
        done = 1;
    }
    if (!done) return 0;
    if (!take_request(c)) return -1;
    send_some(c);
    return 0;
}

int main(int argc, char **argv) {
    if (argc != 6) {
        fprintf(stderr, "usage: load HOST PORT CONNECTIONS SECONDS REQUESTS\n");
        return 2;
    }
    int connections = atoi(argv[3]), busy = 0;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[2]))};
    if (inet_pton(AF_INET, argv[1], &address.sin_addr) != 1) die("address");
    map_requests(argv[5]);
    epoll_set = epoll_create1(0);
    Connection *all = calloc(connections, sizeof *all);
    for (int i = 0; i < connections; i++) {
        all[i].socket = open_connection(&address);
        all[i].answer = malloc(ANSWER_MOST);
        watch(&all[i], EPOLLIN, EPOLL_CTL_ADD);
    }
    usleep(SETTLE_MICROSECONDS);
    double began = now();
    stop_at = began + atof(argv[4]);
    for (int i = 0; i < connections; i++)
        if (take_request(&all[i])) {
            send_some(&all[i]);
            busy++;
        }
    struct epoll_event events[256];
    while (busy) {
        int n = epoll_wait(epoll_set, events, 256, 30000);
        if (n == 0) {
            errors += busy;
            break;
        }
        for (int i = 0; i < n; i++) busy += serve(events[i].data.ptr, events[i].events, &address);
    }
    report(now() - began);
    return 0;
}
