/*
 * Pages of a mapped file that io_uring holds registered: they stay writable when the mapping is gone and the file closed.
 * The kernel allows it for tmpfs and huge pages. liburing is not needed for one request at a time.
 */
#include <linux/io_uring.h>
#include <sys/syscall.h>
#include <sys/uio.h>

static struct {
  int ring, in, out;
  char *pages, *queue;
  struct io_uring_params params;
  struct io_uring_sqe *requests;
} uring;

static void ring_failed(const char *what) {
  perror(what);
  exit(1);
}

static void *ring_map(size_t bytes, off_t offset) {
  void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, uring.ring, offset);
  if (map == MAP_FAILED) ring_failed("io_uring's memory");
  return map;
}

/* Exits with 75 where there is no io_uring, or where it holds no pages of such a file. */
static void hold_pages(char *pages, size_t bytes) {
  struct iovec buffer = { pages, bytes };
  int ends[2];
  uring.ring = (int) syscall(SYS_io_uring_setup, 1, &uring.params);
  if (uring.ring < 0 || syscall(SYS_io_uring_register, uring.ring, IORING_REGISTER_BUFFERS, &buffer, 1) != 0) exit(75);
  uring.pages = pages;
  uring.queue = ring_map(uring.params.sq_off.array + uring.params.sq_entries * sizeof(unsigned), IORING_OFF_SQ_RING);
  uring.requests = ring_map(uring.params.sq_entries * sizeof *uring.requests, IORING_OFF_SQES);
  if (pipe(ends) != 0) ring_failed("pipe");
  uring.in = ends[0];
  uring.out = ends[1];
}

/* Reads the bytes from a pipe straight into the pages. */
static void write_pages(const char *bytes, size_t count) {
  unsigned *tail = (unsigned *) (uring.queue + uring.params.sq_off.tail);
  unsigned *slots = (unsigned *) (uring.queue + uring.params.sq_off.array);
  struct io_uring_sqe *request = uring.requests;
  if (write(uring.out, bytes, count) != (ssize_t) count) ring_failed("pipe");
  memset(request, 0, sizeof *request);
  request->opcode = IORING_OP_READ_FIXED;
  request->fd = uring.in;
  request->addr = (unsigned long) uring.pages;
  request->len = (unsigned) count;
  slots[0] = 0;
  __atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
  if (syscall(SYS_io_uring_enter, uring.ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) != 1) ring_failed("io_uring");
}
