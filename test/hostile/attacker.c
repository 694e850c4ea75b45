/*
 * Another process that may write where the models lie, and does so as fast as it can.
 *
 *     attacker ATTACK ARGUMENT...
 *
 * Says "ready" after its first strokes, goes on until its standard input ends, and says how many strokes came through and
 * how many were held off. Exits with 75 where the kernel lacks what the attack needs. FILE is what is attacked; GOOD and EVIL
 * are files with the bytes that it gets in turn.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include "pinned.h"
#include "stalled.h"

/* Looking at the standard input costs more than most strokes. */
enum { STROKES_PER_LOOK = 64, FILE_BYTES_MAX = 1 << 20, LOADS_COME_USEC = 1000 };

static char good[FILE_BYTES_MAX];
static char evil[FILE_BYTES_MAX];
static ssize_t size;

/* A stroke is held off where the kernel or the other side was in the way, for this once. */
static bool held_off(const char *what) {
  switch (errno) {
  case EAGAIN: case ENOENT: case EPERM: case EACCES: case EBUSY: case EINVAL: case ETXTBSY: case EEXIST: case ESRCH:
    return false;
  default:
    perror(what);
    exit(1);
  }
}

static ssize_t contents(const char *path, char *into) {
  int fd = open(path, O_RDONLY);
  ssize_t count = fd < 0 ? -1 : pread(fd, into, FILE_BYTES_MAX, 0);
  if (count <= 0) {
    perror(path);
    exit(1);
  }
  close(fd);
  return count;
}

/* Without O_NONBLOCK it would wait for whoever holds a lease. */
static int writer(const char *path) {
  return open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
}

/* exchange ONE OTHER: each gets the other's name, in one step. */
static bool exchange(char **path) {
  return renameat2(AT_FDCWD, path[0], AT_FDCWD, path[1], RENAME_EXCHANGE) == 0 || held_off("exchange");
}

/* The evil bytes and then the good ones, in place. */
static bool write_both(int fd) {
  bool done = pwrite(fd, evil, size, 0) == size && pwrite(fd, good, size, 0) == size;
  close(fd);
  return done || held_off("write");
}

/* rewrite FILE GOOD EVIL */
static bool rewrite(char **path) {
  int fd = writer(path[0]);
  return fd < 0 ? held_off("open") : write_both(fd);
}

/* hardlink FILE GOOD EVIL OTHER: the same through another name, which is outside the root. */
static bool hardlink(char **path) {
  unlink(path[3]);
  if (link(path[0], path[3]) != 0) {
    return held_off("link");
  }
  int fd = writer(path[3]);
  return fd < 0 ? held_off("open") : write_both(fd);
}

/* cut FILE GOOD EVIL: to half its length, to nothing, and back. */
static bool cut(char **path) {
  int fd = writer(path[0]);
  if (fd < 0) {
    return held_off("open");
  }
  if (ftruncate(fd, size / 2) != 0 || ftruncate(fd, 0) != 0) {
    return held_off("truncate");
  }
  return write_both(fd);
}

/* recreate FILE GOOD EVIL: removed and made anew, so that inode numbers come back. */
static bool recreate(char **path) {
  static bool turn;
  turn = !turn;
  unlink(path[0]);
  int fd = open(path[0], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) {
    return held_off("create");
  }
  bool done = write(fd, turn ? evil : good, size) == size;
  close(fd);
  return done || held_off("write");
}

static char *mapped(const char *path) {
  int fd = writer(path);
  if (fd < 0) {
    return MAP_FAILED;
  }
  char *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  return map;
}

/* leftover FILE GOOD EVIL: writes through a mapping that has outlived its descriptor; no time of the file moves. */
static bool leftover(char **path) {
  static char *map = MAP_FAILED;
  if (map == MAP_FAILED) {
    map = mapped(path[0]);
  }
  if (map == MAP_FAILED) {
    return held_off("map");
  }
  memcpy(map, evil, size);
  memcpy(map, good, size);
  return true;
}

/* remap FILE GOOD EVIL: the same with a new mapping each time, so that the file has no writer now and then. */
static bool remap(char **path) {
  char *map = mapped(path[0]);
  if (map == MAP_FAILED) {
    return held_off("map");
  }
  memcpy(map, evil, size);
  memcpy(map, good, size);
  munmap(map, size);
  return true;
}

/* pinned FILE GOOD EVIL: writes to pages that io_uring holds, although neither descriptor nor mapping is left. */
static bool pinned(char **path) {
  static bool held;
  if (!held) {
    char *map = mapped(path[0]);
    if (map == MAP_FAILED) {
      return held_off("map");
    }
    hold_pages(map, size);
    munmap(map, size);
    held = true;
  }
  write_pages(evil, size);
  write_pages(good, size);
  return true;
}

/* stalled FILE GOOD EVIL: a write that began while the file was mapped, and ends when it is neither mapped nor open. */
static bool stalled(char **path) {
  static bool turn;
  char *map = mapped(path[0]);
  if (map == MAP_FAILED) {
    return held_off("map");
  }
  pthread_t writing = begin_write(map + size / 2);
  munmap(map, size);
  usleep(LOADS_COME_USEC);
  turn = !turn;
  end_write(writing, (turn ? evil : good) + size / 2);
  return true;
}

/* bind FILE OVER: mounts one file over another for a while, and takes it away. */
static bool bind(char **path) {
  if (mount(path[0], path[1], NULL, MS_BIND, NULL) != 0) {
    return held_off("mount");
  }
  usleep(LOADS_COME_USEC);
  return umount2(path[1], MNT_DETACH) == 0 || held_off("umount");
}

static bool is_memory(const char *fd_path) {
  char target[64] = "";
  return readlink(fd_path, target, sizeof target - 1) > 0 && strncmp(target, "/memfd:", 7) == 0;
}

static bool spoil(const char *fd_path) {
  char own_path[64];
  if (!is_memory(fd_path)) {
    return false;
  }
  chmod(fd_path, 0600);
  int fd = writer(fd_path);
  if (fd < 0) {
    return held_off("open");
  }
  /* By now the number may mean another file, and this is about no other. */
  snprintf(own_path, sizeof own_path, "/proc/self/fd/%d", fd);
  bool done = is_memory(own_path) && pwrite(fd, "evil", 4, size / 2) == 4;
  close(fd);
  return done;
}

/* memory FILE GOOD EVIL PROCESS: spoils the middle of memory files that a process of the same user has open. */
static bool memory(char **argument) {
  char path[300];
  snprintf(path, sizeof path, "/proc/%s/fd", argument[3]);
  DIR *folder = opendir(path);
  if (folder == NULL) {
    return held_off("opendir");
  }
  bool spoilt = false;
  for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
    snprintf(path, sizeof path, "/proc/%s/fd/%s", argument[3], entry->d_name);
    spoilt |= spoil(path);
  }
  closedir(folder);
  return spoilt;
}

static const struct attack {
  const char *name;
  int arguments;
  bool (*strike)(char **arguments);
} attacks[] = {
  { "exchange", 2, exchange }, { "bind", 2, bind },
  { "rewrite", 3, rewrite },   { "cut", 3, cut },       { "recreate", 3, recreate }, { "leftover", 3, leftover },
  { "remap", 3, remap },       { "pinned", 3, pinned }, { "stalled", 3, stalled },
  { "hardlink", 4, hardlink }, { "memory", 4, memory },
};

static const struct attack *named(int argc, char **argv) {
  for (size_t index = 0; argc >= 2 && index < sizeof attacks / sizeof *attacks; index++) {
    if (strcmp(attacks[index].name, argv[1]) == 0 && argc == attacks[index].arguments + 2) {
      return &attacks[index];
    }
  }
  fputs("usage: attacker ATTACK ARGUMENT...\n", stderr);
  exit(2);
}

/* Whoever started this may have died: then the input ends as well. */
static bool stopped(void) {
  struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
  return poll(&input, 1, 0) != 0;
}

int main(int argc, char **argv) {
  const struct attack *attack = named(argc, argv);
  if (attack->arguments > 2) {
    size = contents(argv[3], good);
    if (contents(argv[4], evil) != size) {
      return 2;
    }
  }
  unsigned long strokes = 0, held = 0;
  for (bool ready = false; !ready || !stopped(); ready = true) {
    for (int turn = 0; turn < STROKES_PER_LOOK; turn++) {
      attack->strike(argv + 2) ? strokes++ : held++;
    }
    if (!ready) {
      puts("ready");
      fflush(stdout);
    }
  }
  printf("%lu %lu\n", strokes, held);
  return 0;
}
