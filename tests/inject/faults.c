/* SPDX-License-Identifier: BSD-3-Clause */
/* Linked into the switch and its lanes (FAULTS_LANE) in the build -Dinject=enabled: the linker sends each call of NAME to
 * __wrap_NAME (--wrap; the names are in app/meson.build, too).
 */
#include "faults.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef FAULTS_LANE
static const uint64_t PROGRAM = FAULTS_OF_LANE;
#else
static const uint64_t PROGRAM = 0;
#endif

extern const char __executable_start[];
static struct faults *faults;

static struct fault_site *site_of(uint64_t from, const char *name)
{
	for (unsigned int i = 0; i < FAULT_SITES; i++) {
		struct fault_site *site = &faults->site[(from + i) % FAULT_SITES];
		uint64_t seen = 0;

		if (atomic_compare_exchange_strong(&site->from, &seen, from)) {
			strncpy(site->name, name, FAULT_NAME - 1);
			return site;
		}
		if (seen == from)
			return site;
	}
	abort();
}

static bool fails(const char *name, const void *returns_to, int error)
{
	uint64_t from = PROGRAM + (uint64_t)((const char *)returns_to - __executable_start);
	uint64_t n;

	if (faults == NULL)
		return false;
	n = atomic_fetch_add(&site_of(from, name)->count, 1) + 1;
	if (atomic_load(&faults->armed) != from || atomic_load(&faults->at) != n)
		return false;
	atomic_fetch_add(&faults->fired, 1);
	errno = error;
	return true;
}

#define FAILS(name, error) fails(#name, __builtin_return_address(0), error)

/* A call that returns `failed` with errno, and its parameters with and without their types. */
#define WRAP(type, name, failed, error, parameters, arguments) \
	type __real_##name parameters; \
	type __wrap_##name parameters; \
	type __wrap_##name parameters \
	{ \
		return FAILS(name, error) ? (type)(failed) : __real_##name arguments; \
	}

WRAP(void *, malloc, NULL, ENOMEM, (size_t n), (n))
WRAP(void *, calloc, NULL, ENOMEM, (size_t n, size_t size), (n, size))
WRAP(void *, realloc, NULL, ENOMEM, (void *p, size_t n), (p, n))
WRAP(void *, aligned_alloc, NULL, ENOMEM, (size_t align, size_t n), (align, n))
WRAP(char *, strdup, NULL, ENOMEM, (const char *s), (s))
WRAP(char *, strndup, NULL, ENOMEM, (const char *s, size_t n), (s, n))
WRAP(void *, mmap64, MAP_FAILED, ENOMEM, (void *at, size_t n, int prot, int flags, int fd, off_t offset),
     (at, n, prot, flags, fd, offset))
WRAP(int, munmap, -1, ENOMEM, (void *at, size_t n), (at, n))
WRAP(int, madvise, -1, EAGAIN, (void *at, size_t n, int advice), (at, n, advice))
WRAP(int, memfd_create, -1, EMFILE, (const char *name, unsigned int flags), (name, flags))
WRAP(int, ftruncate64, -1, ENOSPC, (int fd, off_t n), (fd, n))
WRAP(int, posix_fallocate64, ENOSPC, ENOSPC, (int fd, off_t at, off_t n), (fd, at, n))
WRAP(int, fstat64, -1, ENOMEM, (int fd, struct stat *st), (fd, st))
WRAP(int, flock, -1, ENOLCK, (int fd, int how), (fd, how))
/* Eight bytes are an eventfd's: a write there fails only where it stands at its end, and then who waits for it is awake. */
ssize_t __real_write(int fd, const void *from, size_t n);
ssize_t __wrap_write(int fd, const void *from, size_t n);
ssize_t __wrap_write(int fd, const void *from, size_t n)
{
	return n != sizeof(uint64_t) && FAILS(write, ENOSPC) ? -1 : __real_write(fd, from, n);
}

WRAP(ssize_t, read, -1, EINTR, (int fd, void *to, size_t n), (fd, to, n))
WRAP(ssize_t, recv, -1, ENOMEM, (int fd, void *to, size_t n, int flags), (fd, to, n, flags))
WRAP(ssize_t, send, -1, ENOBUFS, (int fd, const void *from, size_t n, int flags), (fd, from, n, flags))
WRAP(ssize_t, recvmsg, -1, ENOMEM, (int fd, struct msghdr *m, int flags), (fd, m, flags))
WRAP(ssize_t, sendmsg, -1, ENOBUFS, (int fd, const struct msghdr *m, int flags), (fd, m, flags))
WRAP(int, socket, -1, EMFILE, (int family, int type, int protocol), (family, type, protocol))
WRAP(int, socketpair, -1, EMFILE, (int family, int type, int protocol, int *fds), (family, type, protocol, fds))
WRAP(int, bind, -1, ENOMEM, (int fd, const struct sockaddr *at, socklen_t n), (fd, at, n))
WRAP(int, listen, -1, EADDRINUSE, (int fd, int n), (fd, n))
WRAP(int, connect, -1, EAGAIN, (int fd, const struct sockaddr *at, socklen_t n), (fd, at, n))
WRAP(int, accept4, -1, EMFILE, (int fd, struct sockaddr *from, socklen_t *n, int flags), (fd, from, n, flags))
WRAP(int, getsockopt, -1, ENOBUFS, (int fd, int level, int name, void *to, socklen_t *n), (fd, level, name, to, n))
WRAP(int, setsockopt, -1, ENOMEM, (int fd, int level, int name, const void *from, socklen_t n), (fd, level, name, from, n))
WRAP(int, epoll_create1, -1, EMFILE, (int flags), (flags))
/* To watch a descriptor no longer is not refused. */
int __real_epoll_ctl(int fd, int how, int what, struct epoll_event *event);
int __wrap_epoll_ctl(int fd, int how, int what, struct epoll_event *event);
int __wrap_epoll_ctl(int fd, int how, int what, struct epoll_event *event)
{
	return how != EPOLL_CTL_DEL && FAILS(epoll_ctl, ENOSPC) ? -1 : __real_epoll_ctl(fd, how, what, event);
}

WRAP(int, epoll_wait, -1, EINTR, (int fd, struct epoll_event *events, int n, int ms), (fd, events, n, ms))
WRAP(int, epoll_pwait2, -1, EINTR,
     (int fd, struct epoll_event *events, int n, const struct timespec *t, const sigset_t *set), (fd, events, n, t, set))
WRAP(int, eventfd, -1, EMFILE, (unsigned int value, int flags), (value, flags))
WRAP(int, signalfd, -1, EMFILE, (int fd, const sigset_t *set, int flags), (fd, set, flags))
WRAP(int, pthread_create, EAGAIN, EAGAIN,
     (pthread_t *t, const pthread_attr_t *a, void *(*run)(void *), void *arg), (t, a, run, arg))
WRAP(int, posix_spawn, EAGAIN, EAGAIN,
     (pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attributes,
      char *const *argv, char *const *env),
     (pid, path, actions, attributes, argv, env))
WRAP(FILE *, fdopen, NULL, ENOMEM, (int fd, const char *mode), (fd, mode))
WRAP(int, fsync, -1, EIO, (int fd), (fd))
WRAP(int, rename, -1, ENOSPC, (const char *from, const char *to), (from, to))
WRAP(FILE *, fopen64, NULL, EMFILE, (const char *path, const char *mode), (path, mode))

/* What a lane has not: DPDK and jansson. */
#ifndef FAULTS_LANE
struct rte_ring;
struct rte_mempool;
struct rte_eth_conf;
struct rte_eth_rxconf;
struct rte_eth_txconf;
struct rte_tel_data;

WRAP(struct rte_ring *, rte_ring_create_elem, NULL, ENOMEM,
     (const char *name, unsigned int size, unsigned int n, int socket, unsigned int flags), (name, size, n, socket, flags))
WRAP(struct rte_mempool *, rte_pktmbuf_pool_create, NULL, ENOMEM,
     (const char *name, unsigned int n, unsigned int cache, uint16_t priv, uint16_t room, int socket),
     (name, n, cache, priv, room, socket))
WRAP(int, rte_dev_probe, -ENOMEM, ENOMEM, (const char *args), (args))
WRAP(int, rte_eth_dev_configure, -ENOMEM, ENOMEM, (uint16_t port, uint16_t rx, uint16_t tx, const struct rte_eth_conf *conf),
     (port, rx, tx, conf))
WRAP(int, rte_eth_rx_queue_setup, -ENOMEM, ENOMEM,
     (uint16_t port, uint16_t queue, uint16_t n, unsigned int socket, const struct rte_eth_rxconf *conf,
      struct rte_mempool *pool),
     (port, queue, n, socket, conf, pool))
WRAP(int, rte_eth_tx_queue_setup, -ENOMEM, ENOMEM,
     (uint16_t port, uint16_t queue, uint16_t n, unsigned int socket, const struct rte_eth_txconf *conf),
     (port, queue, n, socket, conf))
WRAP(int, rte_eth_dev_start, -EIO, EIO, (uint16_t port), (port))
WRAP(struct rte_tel_data *, rte_tel_data_alloc, NULL, ENOMEM, (void), ())
WRAP(json_t *, json_object, NULL, ENOMEM, (void), ())
WRAP(json_t *, json_array, NULL, ENOMEM, (void), ())
WRAP(json_t *, json_string, NULL, ENOMEM, (const char *s), (s))
WRAP(json_t *, json_integer, NULL, ENOMEM, (json_int_t n), (n))
WRAP(json_t *, json_real, NULL, ENOMEM, (double x), (x))
WRAP(char *, json_dumps, NULL, ENOMEM, (const json_t *json, size_t flags), (json, flags))
#endif

/* Those with a last argument that is not always there. */
#define WRAP_MORE(name, error, parameters, last, more, arguments) \
	int __real_##name parameters; \
	int __wrap_##name parameters; \
	int __wrap_##name parameters \
	{ \
		va_list ap; \
		more argument; \
		va_start(ap, last); \
		argument = va_arg(ap, more); \
		va_end(ap); \
		return FAILS(name, error) ? -1 : __real_##name arguments; \
	}

/* Of those without a function of their own, what makes a descriptor. */
long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
long __wrap_syscall(long number, ...)
{
	va_list ap;
	long argument[4];

	va_start(ap, number);
	for (int i = 0; i < 4; i++)
		argument[i] = va_arg(ap, long);
	va_end(ap);
	if ((number == SYS_userfaultfd || number == SYS_pidfd_open) && FAILS(syscall, EMFILE))
		return -1;
	return __real_syscall(number, argument[0], argument[1], argument[2], argument[3]);
}

WRAP_MORE(fcntl64, EBUSY, (int fd, int how, ...), how, long, (fd, how, argument))
WRAP_MORE(ioctl, ENOMEM, (int fd, unsigned long how, ...), how, void *, (fd, how, argument))
WRAP_MORE(open64, EMFILE, (const char *path, int flags, ...), flags, mode_t, (path, flags, argument))
WRAP_MORE(openat64, EMFILE, (int folder, const char *path, int flags, ...), flags, mode_t, (folder, path, flags, argument))

int __wrap_asprintf(char **to, const char *format, ...) __attribute__((format(printf, 2, 3)));
int __wrap_asprintf(char **to, const char *format, ...)
{
	va_list ap;
	int n;

	if (FAILS(asprintf, ENOMEM))
		return -1;
	va_start(ap, format);
	n = vasprintf(to, format, ap);
	va_end(ap);
	return n;
}

static void __attribute__((constructor)) begin(void)
{
	const char *path = getenv("VUSWITCH_FAULTS");
	void *map;
	int fd;

	if (path == NULL)
		return;
	fd = __real_open64(path, O_RDWR | O_CLOEXEC, 0);
	map = __real_mmap64(NULL, sizeof(*faults), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (fd < 0 || map == MAP_FAILED)
		abort();
	close(fd);
	faults = map;
}
