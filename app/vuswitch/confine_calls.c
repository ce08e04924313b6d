/* SPDX-License-Identifier: BSD-3-Clause */
#include "confine_calls.h"

#include <errno.h>
#include <linux/userfaultfd.h>
#include <linux/sockios.h>
#include <linux/vfio.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef AF_XDP
#define AF_XDP 44
#endif
#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif

#define KIND(name) (UINT32_C(1) << THREAD_##name)

enum {
	/* Do much, on behalf of the operator. */
	SERVANTS = KIND(CONTROL) | KIND(HELPER) | KIND(DEVICE),
	EVERY = (UINT32_C(1) << THREAD_KINDS) - 1,
	NEWER_LAST = 511,
};

/* --- calls whatever their arguments ------------------------------------------------------------------------------ */

static const int of_every[] = {
	SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev), SCMP_SYS(close), SCMP_SYS(poll), SCMP_SYS(ppoll),
	/* waiting, and the time */
	SCMP_SYS(futex), SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep),
	SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(sched_yield), SCMP_SYS(restart_syscall),
	/* memory of its own, and guests' pages */
	SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(brk), SCMP_SYS(madvise),
	/* itself */
	SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(getcpu), SCMP_SYS(sched_getaffinity), SCMP_SYS(sched_setaffinity),
	SCMP_SYS(getrandom), SCMP_SYS(membarrier),
	/* signals, and the end */
	SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack),
	SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(exit), SCMP_SYS(exit_group),
};

/* Of the lcores also what a driver's bursts come to: af_packet, tap, memif, pcap. */
static const int of_frames[] = {
	SCMP_SYS(sendto), SCMP_SYS(sendmsg), SCMP_SYS(sendmmsg), SCMP_SYS(recvfrom), SCMP_SYS(recvmsg), SCMP_SYS(recvmmsg),
};

static const int of_sets[] = {
	SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2),
};

static const int of_open_files[] = {
	SCMP_SYS(lseek), SCMP_SYS(pread64), SCMP_SYS(pwrite64), SCMP_SYS(preadv), SCMP_SYS(pwritev), SCMP_SYS(fstat),
	SCMP_SYS(newfstatat),
};

/* The writer is handed open files; a disposal thread, a guest's memory. */
static const int of_changed_files[] = {
	SCMP_SYS(fcntl), SCMP_SYS(flock), SCMP_SYS(ftruncate), SCMP_SYS(fallocate), SCMP_SYS(fsync), SCMP_SYS(fdatasync),
	SCMP_SYS(fstatfs), SCMP_SYS(statx), SCMP_SYS(move_pages),
};

static const int of_connections[] = {
	SCMP_SYS(connect), SCMP_SYS(accept), SCMP_SYS(accept4), SCMP_SYS(shutdown), SCMP_SYS(getsockopt), SCMP_SYS(setsockopt),
	SCMP_SYS(getsockname), SCMP_SYS(getpeername),
};

/* What libpcap asks about an interface that a burst finds to be down. */
static const int of_devices_that_go[] = {SCMP_SYS(getsockopt), SCMP_SYS(getsockname)};

/* Paths, and what lies there: a lane is started, sockets and journals are made, devices found. */
static const int of_paths[] = {
	SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(creat), SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(faccessat2),
	SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(statfs), SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(getdents),
	SCMP_SYS(getdents64), SCMP_SYS(getcwd), SCMP_SYS(rename), SCMP_SYS(renameat), SCMP_SYS(renameat2), SCMP_SYS(unlink),
	SCMP_SYS(unlinkat), SCMP_SYS(mkdir), SCMP_SYS(mkdirat), SCMP_SYS(rmdir), SCMP_SYS(chmod), SCMP_SYS(fchmod),
	SCMP_SYS(fchmodat), SCMP_SYS(chown), SCMP_SYS(lchown), SCMP_SYS(fchown), SCMP_SYS(fchownat), SCMP_SYS(umask),
	SCMP_SYS(msync),
};

/* Descriptors of its own, threads, and what a program asks about itself. */
static const int of_servants[] = {
	SCMP_SYS(socketpair), SCMP_SYS(bind), SCMP_SYS(listen), SCMP_SYS(dup), SCMP_SYS(dup2), SCMP_SYS(dup3), SCMP_SYS(pipe),
	SCMP_SYS(pipe2), SCMP_SYS(epoll_create), SCMP_SYS(epoll_create1), SCMP_SYS(eventfd2), SCMP_SYS(signalfd4),
	SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime), SCMP_SYS(timerfd_gettime), SCMP_SYS(inotify_init1),
	SCMP_SYS(inotify_add_watch), SCMP_SYS(inotify_rm_watch), SCMP_SYS(memfd_create), SCMP_SYS(select), SCMP_SYS(pselect6),
	SCMP_SYS(clone), SCMP_SYS(clone3), SCMP_SYS(wait4), SCMP_SYS(waitid), SCMP_SYS(pidfd_open),
	SCMP_SYS(pidfd_send_signal), SCMP_SYS(sched_getscheduler), SCMP_SYS(sched_getparam),
	SCMP_SYS(sched_get_priority_min), SCMP_SYS(sched_get_priority_max), SCMP_SYS(getrlimit), SCMP_SYS(prlimit64),
	SCMP_SYS(getrusage), SCMP_SYS(sysinfo), SCMP_SYS(uname), SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid),
	SCMP_SYS(getegid), SCMP_SYS(getgroups), SCMP_SYS(getppid), SCMP_SYS(capget), SCMP_SYS(mlock), SCMP_SYS(munlock),
	SCMP_SYS(mbind), SCMP_SYS(set_mempolicy), SCMP_SYS(get_mempolicy), SCMP_SYS(mincore),
};

/* A lane inherits what its parent may: what it does until it has entered a filter of its own, which is shorter. */
static const int of_helper[] = {
	SCMP_SYS(execve), SCMP_SYS(vfork), SCMP_SYS(setsid), SCMP_SYS(close_range), SCMP_SYS(kill), SCMP_SYS(userfaultfd),
	SCMP_SYS(ioctl), SCMP_SYS(seccomp), SCMP_SYS(prctl), SCMP_SYS(setgroups), SCMP_SYS(setresuid), SCMP_SYS(setresgid),
	SCMP_SYS(setrlimit), SCMP_SYS(arch_prctl), SCMP_SYS(set_tid_address), SCMP_SYS(tgkill), SCMP_SYS(sched_setscheduler),
};

/* What drivers do: VFIO, UIO, verbs, AF_XDP's programs, ports of I/O of a legacy virtio card. */
static const int of_device[] = {
	SCMP_SYS(ioctl), SCMP_SYS(bpf), SCMP_SYS(iopl), SCMP_SYS(ioperm), SCMP_SYS(shmget), SCMP_SYS(shmat), SCMP_SYS(shmdt),
	SCMP_SYS(shmctl), SCMP_SYS(mlockall), SCMP_SYS(munlockall), SCMP_SYS(sched_setscheduler), SCMP_SYS(prctl),
	SCMP_SYS(timer_create), SCMP_SYS(timer_settime), SCMP_SYS(timer_delete), SCMP_SYS(symlink), SCMP_SYS(link),
	SCMP_SYS(utimensat), SCMP_SYS(mknodat), SCMP_SYS(pidfd_getfd),
};

/* Threads of ours, also those that control makes, give up capabilities and load a filter when they have said what they are. */
static const int of_beginning[] = {SCMP_SYS(seccomp), SCMP_SYS(capset)};

/* What the C library asks now and then on behalf of an allocation or a sort, and goes on without: how memory is overcommitted,
 * how many CPUs there are. Who has no use for paths is refused. */
static const int of_questions[] = {SCMP_SYS(openat), SCMP_SYS(sysinfo), SCMP_SYS(prlimit64), SCMP_SYS(uname)};

#define LIST(name) name, sizeof(name) / sizeof((name)[0])
static const struct {
	const int *call;
	size_t n;
	uint32_t kinds;
} lists[] = {
	{LIST(of_every), EVERY},
	{LIST(of_frames), SERVANTS | KIND(LCORE) | KIND(DISPOSAL) | KIND(METRICS) | KIND(WRITER)},
	{LIST(of_sets), SERVANTS | KIND(LCORE) | KIND(BELL) | KIND(DISPOSAL) | KIND(METRICS)},
	{LIST(of_open_files), SERVANTS | KIND(LCORE) | KIND(WATCH) | KIND(DISPOSAL) | KIND(WRITER)},
	{LIST(of_changed_files), SERVANTS | KIND(DISPOSAL) | KIND(WRITER)},
	{LIST(of_connections), SERVANTS | KIND(DISPOSAL) | KIND(METRICS)},
	{LIST(of_devices_that_go), KIND(LCORE)},
	{LIST(of_paths), SERVANTS},
	{LIST(of_servants), SERVANTS},
	{LIST(of_helper), KIND(HELPER)},
	{LIST(of_device), KIND(DEVICE)},
	{LIST(of_beginning), KIND(CONTROL)},
};

/* --- calls with some arguments ----------------------------------------------------------------------------------- */

#define MASKED(nth, mask, value) {.arg = (nth), .op = SCMP_CMP_MASKED_EQ, .datum_a = (mask), .datum_b = (value)}
#define IS(nth, value) MASKED(nth, UINT32_MAX, (uint32_t)(value))
/* An ioctl by its type, or by type and the direction of its argument: TIOCSTI and its like have none. */
#define IOCTL_OF(type) MASKED(1, 0xff00, (uint64_t)(type) << 8)
#define IOCTL_WITH(dir, type) MASKED(1, 0xc000ff00, (uint64_t)(dir) << 30 | (uint64_t)(type) << 8)

static const struct {
	int call;
	uint32_t kinds;
	unsigned int n;
	struct scmp_arg_cmp arg[2];
} rules[] = {
	/* Memory that runs comes from a file, and is never writable at the same time. */
	{SCMP_SYS(mmap), EVERY, 1, {MASKED(2, PROT_EXEC, 0)}},
	{SCMP_SYS(mprotect), EVERY, 1, {MASKED(2, PROT_EXEC, 0)}},
	{SCMP_SYS(mmap), SERVANTS, 2, {MASKED(2, PROT_WRITE | PROT_EXEC, PROT_EXEC), MASKED(3, MAP_ANONYMOUS, 0)}},
	{SCMP_SYS(mprotect), KIND(HELPER) | KIND(DEVICE), 1, {MASKED(2, PROT_WRITE | PROT_EXEC, PROT_EXEC)}},
	{SCMP_SYS(prctl), EVERY, 1, {IS(0, PR_SET_NAME)}},
	{SCMP_SYS(prctl), EVERY, 1, {IS(0, PR_GET_NAME)}},
	{SCMP_SYS(prctl), EVERY, 1, {IS(0, PR_SET_TIMERSLACK)}},
	{SCMP_SYS(prctl), EVERY, 1, {IS(0, PR_SET_VMA)}},
	/* Whether a lane can be had is tried. */
	{SCMP_SYS(userfaultfd), KIND(CONTROL), 1, {MASKED(0, UFFD_USER_MODE_ONLY, UFFD_USER_MODE_ONLY)}},
	{SCMP_SYS(ioctl), KIND(CONTROL), 1, {IS(1, UFFDIO_API)}},
	/* Which capabilities there are to be given up. */
	{SCMP_SYS(prctl), KIND(CONTROL), 1, {IS(0, PR_CAPBSET_READ)}},
	{SCMP_SYS(prctl), KIND(CONTROL), 1, {IS(0, PR_CAP_AMBIENT)}},
	{SCMP_SYS(prctl), KIND(CONTROL), 1, {IS(0, PR_GET_SECUREBITS)}},
	{SCMP_SYS(socket), SERVANTS | KIND(DISPOSAL), 1, {IS(0, AF_UNIX)}},
	{SCMP_SYS(socket), SERVANTS, 1, {IS(0, AF_INET)}},
	{SCMP_SYS(socket), SERVANTS, 1, {IS(0, AF_INET6)}},
	{SCMP_SYS(socket), SERVANTS, 1, {IS(0, AF_NETLINK)}},
	{SCMP_SYS(socket), KIND(DEVICE), 1, {IS(0, AF_PACKET)}},
	{SCMP_SYS(socket), KIND(DEVICE), 1, {IS(0, AF_XDP)}},
	{SCMP_SYS(ioctl), KIND(CONTROL) | KIND(DISPOSAL) | KIND(METRICS) | KIND(WRITER), 1, {IS(1, FIONREAD)}},
	{SCMP_SYS(ioctl), KIND(CONTROL) | KIND(DISPOSAL) | KIND(METRICS) | KIND(WRITER), 1, {IS(1, FIONBIO)}},
	{SCMP_SYS(ioctl), KIND(CONTROL) | KIND(WRITER), 1, {IS(1, TCGETS)}},
	/* The interrupt of a NIC is acknowledged where its queue is polled. */
	{SCMP_SYS(ioctl), KIND(LCORE) | KIND(CONTROL), 1, {IOCTL_OF(VFIO_TYPE)}},
	{SCMP_SYS(ioctl), KIND(LCORE), 1, {IS(1, SIOCGIFFLAGS)}},
	{SCMP_SYS(ioctl), KIND(LCORE), 1, {IS(1, SIOCGIFNAME)}},
	{SCMP_SYS(ioctl), KIND(LCORE), 1, {IS(1, SIOCGIFINDEX)}},
	/* Interfaces and taps: devices that EAL was given and no port has are closed by control, at the end. */
	{SCMP_SYS(ioctl), KIND(CONTROL), 1, {IOCTL_OF(0x89)}},
	{SCMP_SYS(ioctl), KIND(CONTROL), 1, {IOCTL_WITH(_IOC_WRITE, 'T')}},
	{SCMP_SYS(ioctl), KIND(CONTROL), 1, {IOCTL_WITH(_IOC_READ, 'T')}},
	{SCMP_SYS(ioctl), KIND(CONTROL), 1, {IOCTL_OF(0xaf)}},
	{SCMP_SYS(ioctl), KIND(CONTROL), 1, {IOCTL_OF(0x1b)}},
};

/* --- adding ------------------------------------------------------------------------------------------------------ */

/* THREAD_OTHER has what any kind has. */
static bool is_of(uint32_t kinds, enum thread_kind kind)
{
	return kind == THREAD_OTHER || (kinds >> kind & 1) != 0;
}

static bool is_question(int call)
{
	for (size_t i = 0; i < sizeof(of_questions) / sizeof(of_questions[0]); i++)
		if (of_questions[i] == call)
			return true;
	return false;
}

enum confine_listed confine_calls_list(enum thread_kind kind, int call)
{
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		for (size_t j = 0; is_of(lists[i].kinds, kind) && j < lists[i].n; j++)
			if (lists[i].call[j] == call)
				return CONFINE_ALLOWED;
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (is_of(rules[i].kinds, kind) && rules[i].call == call)
			return CONFINE_SOME;
	if (is_question(call))
		return CONFINE_ALLOWED;
	return call == SCMP_SYS(tgkill) ? CONFINE_SOME : CONFINE_NONE;
}

/* Its own threads, and no other process. */
static int allow_own_signals(scmp_filter_ctx filter)
{
	const struct scmp_arg_cmp own = SCMP_A0_64(SCMP_CMP_EQ, (uint64_t)getpid(), 0);

	return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, &own);
}

int confine_calls_add(scmp_filter_ctx filter, enum thread_kind kind)
{
	int error = 0;

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		for (size_t j = 0; error == 0 && is_of(lists[i].kinds, kind) && j < lists[i].n; j++)
			error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, lists[i].call[j], 0);
	for (size_t i = 0; error == 0 && i < sizeof(rules) / sizeof(rules[0]); i++)
		if (is_of(rules[i].kinds, kind))
			error = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, rules[i].call, rules[i].n, rules[i].arg);
	for (size_t i = 0; error == 0 && !is_of(SERVANTS, kind) && i < sizeof(of_questions) / sizeof(of_questions[0]); i++)
		error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EACCES), of_questions[i], 0);
	for (int call = CONFINE_NEWER_FIRST; error == 0 && call <= NEWER_LAST; call++)
		error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), call, 0);
	return error == 0 ? allow_own_signals(filter) : error;
}
