/* SPDX-License-Identifier: BSD-3-Clause */
#include "sandbox.h"

#include <errno.h>
#include <grp.h>
#include <seccomp.h>
#include <stddef.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* Linux' overflow user and group: whatever Debian calls them, they own nothing. */
enum { NOBODY = 65534 };

static int become_nobody(void)
{
	const struct rlimit none = {0};

	/* The guest's memory is no part of a core dump. */
	if (setrlimit(RLIMIT_CORE, &none) != 0)
		return -errno;
	if (geteuid() == 0 && (setgroups(0, NULL) != 0 || setresgid(NOBODY, NOBODY, NOBODY) != 0 ||
			       setresuid(NOBODY, NOBODY, NOBODY) != 0))
		return -errno;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return -errno;
	return 0;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
/* A sanitizer's runtime does as it pleases. */
static int limit(void)
{
	return 0;
}

static int filter_calls(void)
{
	return 0;
}
#else
enum {
	/* Its stack, its heap, the program's own: a quarter of this is in use with 509 regions and 32 rings. */
	DATA_MAX = 64 << 20,
	/* A call descriptor for each ring, as many on their way, and a few. */
	FDS_MAX = 128,
};

/* What is taken from the switch's machine: memory besides the guest's, which is bounded by its files, and descriptors,
 * those on their way to the switch included. And nothing more is to be read in the switch's log. */
static int limit(void)
{
	const struct rlimit data = {DATA_MAX, DATA_MAX}, fds = {FDS_MAX, FDS_MAX};

	if (setrlimit(RLIMIT_DATA, &data) != 0 || setrlimit(RLIMIT_NOFILE, &fds) != 0)
		return -errno;
	return dup2(STDOUT_FILENO, STDERR_FILENO) < 0 ? -errno : 0;
}

/* A call with one of its arguments, masked, equal to something. */
static int allow(scmp_filter_ctx filter, int call, unsigned int arg, uint64_t mask, uint64_t value)
{
	const struct scmp_arg_cmp is = SCMP_CMP64(arg, SCMP_CMP_MASKED_EQ, mask, value);

	return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, 1, &is);
}

/* Memory may be mapped, but nothing that runs; shared memory only of files, since what is shared and of no file escapes
 * RLIMIT_DATA. */
static int allow_memory(scmp_filter_ctx filter)
{
	const struct scmp_arg_cmp file[] = {
		SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
		SCMP_A3_64(SCMP_CMP_MASKED_EQ, MAP_TYPE | MAP_ANONYMOUS, MAP_SHARED),
	};
	const struct scmp_arg_cmp own[] = {
		SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
		SCMP_A3_64(SCMP_CMP_MASKED_EQ, MAP_TYPE, MAP_PRIVATE),
	};
	int error = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2, file);

	if (error == 0)
		error = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2, own);
	return error != 0 ? error : allow(filter, SCMP_SYS(mprotect), 2, PROT_EXEC, 0);
}

/* Of all that can be done to a descriptor, what a userfaultfd needs. An eventfd that we share with the switch cannot be
 * made to block, nor a terminal be typed at. */
static int allow_uffd(scmp_filter_ctx filter)
{
	int error = allow(filter, SCMP_SYS(ioctl), 1, UINT32_MAX, (uint32_t)UFFDIO_API);

	return error != 0 ? error
			  : allow(filter, SCMP_SYS(ioctl), 1, UINT32_MAX, (uint32_t)UFFDIO_REGISTER);
}

static int filter_calls(void)
{
	static const int allowed[] = {
		SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(close), SCMP_SYS(poll), SCMP_SYS(ppoll),
		SCMP_SYS(sendmsg), SCMP_SYS(recvmsg),
		/* memory, and its missing pages */
		SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(brk), SCMP_SYS(madvise),
		SCMP_SYS(userfaultfd),
		/* two threads that wait for one another, and for time to pass */
		SCMP_SYS(futex), SCMP_SYS(clock_nanosleep), SCMP_SYS(clock_gettime),
		SCMP_SYS(sched_yield), SCMP_SYS(restart_syscall), SCMP_SYS(rt_sigreturn),
		SCMP_SYS(rt_sigprocmask),
		/* what a thread that has just begun still says of itself, and malloc's first */
		SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(getrandom),
		/* the end, abort() included */
		SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(getpid), SCMP_SYS(gettid),
	};
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int error = filter == NULL ? -ENOMEM : 0;

	if (error == 0)
		error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	for (size_t i = 0; error == 0 && i < sizeof(allowed) / sizeof(allowed[0]); i++)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
	if (error == 0)
		error = allow_memory(filter);
	if (error == 0)
		error = allow_uffd(filter);
	/* abort() signals itself, and nobody signals the switch, whose user may be the lane's. */
	if (error == 0)
		error = allow(filter, SCMP_SYS(tgkill), 0, UINT64_MAX, (uint64_t)getpid());
	if (error == 0)
		error = seccomp_load(filter);
	seccomp_release(filter);
	return error;
}
#endif

int sandbox_enter(void)
{
	int error = become_nobody();

	if (error == 0)
		error = limit();
	return error != 0 ? error : filter_calls();
}
