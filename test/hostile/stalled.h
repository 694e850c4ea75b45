/*
 * A write into a mapped file that hangs half-way, until its source page comes: the kernel holds the target's page meanwhile,
 * and nothing else of the file. Who may not watch page faults with userfaultfd would take a slow FUSE mount.
 */
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>

enum { PAGE_BYTES = 4096, WORD_BYTES = 4 };

static struct {
  int faults;
  char *source, *target;
} stall = { .faults = -1 };

/* Exits with 75 where page faults may not be watched. */
static void watch_source(void) {
  struct uffdio_api api = { .api = UFFD_API };
  stall.faults = (int) syscall(SYS_userfaultfd, O_CLOEXEC);
  stall.source = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  struct uffdio_register page = { .range = { (unsigned long) stall.source, PAGE_BYTES }, .mode = UFFDIO_REGISTER_MODE_MISSING };
  if (stall.faults < 0 || ioctl(stall.faults, UFFDIO_API, &api) != 0 || ioctl(stall.faults, UFFDIO_REGISTER, &page) != 0) {
    exit(75);
  }
}

static void *write_word(void *unused) {
  struct iovec from = { stall.source, WORD_BYTES }, to = { stall.target, WORD_BYTES };
  process_vm_writev(getpid(), &from, 1, &to, 1, 0);
  return unused;
}

/* Begins to write a word there, in a thread, and comes back when it hangs. */
static pthread_t begin_write(char *target) {
  struct uffd_msg fault;
  pthread_t thread;
  if (stall.faults < 0) {
    watch_source();
  }
  stall.target = target;
  if (pthread_create(&thread, NULL, write_word, NULL) != 0 || read(stall.faults, &fault, sizeof fault) != sizeof fault) {
    perror("stalling");
    exit(1);
  }
  return thread;
}

/* Lets it end, with that word. */
static void end_write(pthread_t thread, const char *word) {
  static char page[PAGE_BYTES];
  memcpy(page, word, WORD_BYTES);
  struct uffdio_copy copy = { .dst = (unsigned long) stall.source, .src = (unsigned long) page, .len = PAGE_BYTES };
  if (ioctl(stall.faults, UFFDIO_COPY, &copy) != 0) {
    perror("userfaultfd");
    exit(1);
  }
  pthread_join(thread, NULL);
  madvise(stall.source, PAGE_BYTES, MADV_DONTNEED);
}
