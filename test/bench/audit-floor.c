/*
 * What the disk allows: a chain of lines, one write and one fdatasync for each batch of them, and nothing else.
 *
 *     audit-floor FILE RECORDS BATCH BYTES
 *
 * Each line names the SHA-256 of the one before it. The hash is libcrypto's, found at run time; without one the chain's hashes
 * stay zero, and the answer says so. Prints {"ms","chained","head"}; making the file is not timed.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define HASH_BYTES 32
#define LINE_BYTES_MAX 16384
#define BATCH_MAX 4096

typedef unsigned char *(*Sha256)(const unsigned char *bytes, size_t len, unsigned char *out);

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static Sha256 find_sha256(void) {
  static const char *const names[] = {"libcrypto.so.3", "libcrypto.so", "libcrypto.so.1.1"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    void *library = dlopen(names[i], RTLD_NOW);
    if (library != NULL) return (Sha256)dlsym(library, "SHA256");
  }
  return NULL;
}

/* {"seq":000000000001,"fill":"....","prev":"<64 hex>"} and a newline: `len` bytes. */
static void line_into(char *line, size_t len, long seq, const char *head) {
  char start[64];
  char end[96];
  int before = snprintf(start, sizeof start, "{\"seq\":%012ld,\"fill\":\"", seq);
  int after = snprintf(end, sizeof end, "\",\"prev\":\"%s\"}\n", head);
  memset(line, 'x', len);
  memcpy(line, start, (size_t)before);
  memcpy(line + len - after, end, (size_t)after);
}

static void hex_into(char *hex, const unsigned char *bytes) {
  static const char digits[] = "0123456789abcdef";
  for (int i = 0; i < HASH_BYTES; i++) {
    hex[2 * i] = digits[bytes[i] >> 4];
    hex[2 * i + 1] = digits[bytes[i] & 15];
  }
}

static void commit(int fd, const char *bytes, size_t len) {
  while (len > 0) {
    ssize_t count = write(fd, bytes, len);
    if (count <= 0) fail("write");
    bytes += count;
    len -= (size_t)count;
  }
  if (fdatasync(fd) != 0) fail("fdatasync");
}

static double now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

int main(int argc, char **argv) {
  if (argc != 5) {
    fputs("usage: audit-floor FILE RECORDS BATCH BYTES\n", stderr);
    return 2;
  }
  long records = atol(argv[2]);
  long batch = atol(argv[3]);
  long len = atol(argv[4]);
  if (records < 1 || batch < 1 || batch > BATCH_MAX || len < 256 || len > LINE_BYTES_MAX) return 2;
  Sha256 sha256 = find_sha256();
  char head[2 * HASH_BYTES + 1];
  memset(head, '0', sizeof head - 1);
  head[sizeof head - 1] = 0;
  char *block = malloc((size_t)(batch * len));
  int fd = open(argv[1], O_CREAT | O_EXCL | O_WRONLY | O_APPEND, 0600);
  if (block == NULL || fd < 0 || fsync(fd) != 0) fail(argv[1]);
  double started = now_ms();
  for (long seq = 0; seq < records;) {
    long count = 0;
    for (; count < batch && seq < records; count++, seq++) {
      char *line = block + count * len;
      unsigned char digest[HASH_BYTES];
      line_into(line, (size_t)len, seq, head);
      if (sha256 == NULL) continue;
      sha256((unsigned char *)line, (size_t)len - 1, digest);
      hex_into(head, digest);
    }
    commit(fd, block, (size_t)(count * len));
  }
  printf("{\"ms\":%.3f,\"chained\":%s,\"head\":\"%s\"}\n", now_ms() - started, sha256 == NULL ? "false" : "true", head);
  return 0;
}
