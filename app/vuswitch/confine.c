/* SPDX-License-Identifier: BSD-3-Clause */
#include "confine.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "confine_calls.h"
#include "log.h"
#include "thread_kind.h"

/* The registers of a system call: where its arguments are, and its result goes. */
#if defined(__x86_64__)
#define CALL_ARGS(gregs) (gregs)[REG_RDI], (gregs)[REG_RSI], (gregs)[REG_RDX], (gregs)[REG_R10], (gregs)[REG_R8]
#define CALL_REGISTERS(context) ((context)->uc_mcontext.gregs)
#define CALL_RESULT REG_RAX
#elif defined(__aarch64__)
#define CALL_ARGS(regs) (regs)[0], (regs)[1], (regs)[2], (regs)[3], (regs)[4]
#define CALL_REGISTERS(context) ((context)->uc_mcontext.regs)
#define CALL_RESULT 0
#endif

enum { CALLS = 512, LINE_BYTES = 320 };

static struct {
	enum confine_mode mode;
	bool under_journal;
	struct sock_fprog program[THREAD_KINDS];
	const char *name[CALLS];
	/* The sixth argument by which a call is known that is made again from the handler. */
	uint64_t pass;
	atomic_bool told[THREAD_KINDS][CALLS];
} confine;

int confine_parse(const char *text, enum confine_mode *mode)
{
	static const char *const words[] = {[CONFINE_OFF] = "off", [CONFINE_LOG] = "log", [CONFINE_ON] = "on"};

	for (unsigned int i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(text, words[i]) == 0) {
			*mode = (enum confine_mode)i;
			return 0;
		}
	return -EINVAL;
}

/* --- a call that is on no list ----------------------------------------------------------------------------------- */

static void append(char *line, const char *text)
{
	size_t used = strlen(line);

	while (*text != '\0' && used < LINE_BYTES - 2)
		line[used++] = *text++;
	line[used] = '\0';
}

static void append_number(char *line, unsigned int number)
{
	char digits[12];
	size_t at = sizeof(digits) - 1;

	digits[at] = '\0';
	do
		digits[--at] = (char)('0' + number % 10);
	while ((number /= 10) > 0);
	append(line, digits + at);
}

/* Async-signal-safe: the thread may have been anywhere, in malloc() for one. */
static void tell(enum thread_kind kind, unsigned int call)
{
	char line[LINE_BYTES] = "", own[16] = "";

	prctl(PR_GET_NAME, own);
	append(line, confine.under_journal ? confine.mode == CONFINE_ON ? "<3>" : "<4>" : "");
	append(line, confine.mode == CONFINE_ON ? "vuswitch: error: the " : "vuswitch: warning: the ");
	append(line, kind == THREAD_OTHER ? own : thread_kind_name(kind));
	append(line, " thread has made the system call ");
	if (call < CALLS && confine.name[call] != NULL)
		append(line, confine.name[call]);
	else
		append_number(line, call);
	append(line, confine.mode == CONFINE_ON
			     ? ", which is not on its list, and is refused; please report this line; --seccomp log lets such "
			       "calls pass"
			     : ", which --seccomp on would refuse");
	line[strlen(line) + 1] = '\0';
	line[strlen(line)] = '\n';
	/* If standard error is gone, there is no other place to say so. */
	if (write(STDERR_FILENO, line, strlen(line)) < 0)
		return;
}

/* In place of a call that was not made: its result, EPERM or what it would have been. */
static void sigsys(int number, siginfo_t *info, void *context)
{
	unsigned int call = (unsigned int)info->si_syscall;
	enum thread_kind kind = thread_kind_of_caller();
	int saved = errno;

	(void)number;
	if (call >= CALLS || !atomic_exchange(&confine.told[kind][call], true))
		tell(kind, call);
#ifdef CALL_RESULT
	{
		ucontext_t *at = context;
		long result = -EPERM;

		if (confine.mode == CONFINE_LOG) {
			result = syscall(call, CALL_ARGS(CALL_REGISTERS(at)), confine.pass);
			result = result < 0 ? -errno : result;
		}
		CALL_REGISTERS(at)[CALL_RESULT] = result;
	}
#else
	(void)context;
#endif
	errno = saved;
}

static int handle_sigsys(void)
{
	struct sigaction action = {.sa_sigaction = sigsys, .sa_flags = SA_SIGINFO};

	return sigaction(SIGSYS, &action, NULL) == 0 ? 0 : -errno;
}

/* --- filters ----------------------------------------------------------------------------------------------------- */

/* What a signal handler cannot do in the place of its thread: calls that begin a thread or a process, or end the handler. */
static bool is_the_threads_own(int call)
{
	static const int own[] = {SCMP_SYS(clone), SCMP_SYS(clone3),  SCMP_SYS(fork),	     SCMP_SYS(vfork),
				  SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(rt_sigreturn)};

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (call == own[i])
			return true;
	return false;
}

/* For these the sixth argument has a meaning. */
static bool has_six_arguments(int call)
{
	static const int six[] = {
		SCMP_SYS(mmap), SCMP_SYS(futex), SCMP_SYS(sendto), SCMP_SYS(recvfrom), SCMP_SYS(pselect6),
		SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2), SCMP_SYS(splice), SCMP_SYS(preadv2), SCMP_SYS(pwritev2),
		SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev), SCMP_SYS(copy_file_range), SCMP_SYS(move_pages),
		SCMP_SYS(mbind), SCMP_SYS(io_uring_enter),
	};

	for (size_t i = 0; i < sizeof(six) / sizeof(six[0]); i++)
		if (call == six[i])
			return true;
	return false;
}

/* Calls on no list are made, and told of: from the handler again, where that can be, with a sixth argument that no other has. */
static int let_all_pass(scmp_filter_ctx filter, enum thread_kind kind)
{
	const struct scmp_arg_cmp again = SCMP_A5_64(SCMP_CMP_EQ, confine.pass, 0);
	int error = 0;

	for (int call = 0; error == 0 && call < CONFINE_NEWER_FIRST; call++) {
		enum confine_listed listed = confine_calls_list(kind, call);

		if (confine.name[call] == NULL || listed == CONFINE_ALLOWED)
			continue;
		if (has_six_arguments(call))
			error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0);
		else if (is_the_threads_own(call))
			error = seccomp_rule_add(filter, SCMP_ACT_LOG, call, 0);
		else
			error = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, 1, &again);
	}
	return error;
}

/* Makes the program of a filter from what libseccomp writes to a file. */
static int export_program(scmp_filter_ctx filter, struct sock_fprog *program)
{
	int fd = memfd_create("filter", MFD_CLOEXEC), error;
	off_t bytes;

	if (fd < 0)
		return -errno;
	error = seccomp_export_bpf(filter, fd);
	bytes = lseek(fd, 0, SEEK_END);
	if (error == 0 && bytes <= 0)
		error = -errno;
	if (error == 0)
		program->filter = malloc((size_t)bytes);
	if (error == 0 && program->filter == NULL)
		error = -ENOMEM;
	if (error == 0 && pread(fd, program->filter, (size_t)bytes, 0) != bytes)
		error = -EIO;
	program->len = (unsigned short)((size_t)bytes / sizeof(program->filter[0]));
	close(fd);
	return error;
}

static int make_program(enum thread_kind kind)
{
#ifdef CALL_RESULT
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_TRAP);
#else
	scmp_filter_ctx filter = seccomp_init(confine.mode == CONFINE_LOG ? SCMP_ACT_LOG : SCMP_ACT_ERRNO(EPERM));
#endif
	int error = filter == NULL ? -ENOMEM : 0;

	if (error == 0)
		error = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	/* A tree of calls: on kernels that remember no answers (before 5.11) each call walks it. */
	if (error == 0)
		error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (error == 0)
		error = confine_calls_add(filter, kind);
#ifdef CALL_RESULT
	if (error == 0 && confine.mode == CONFINE_LOG)
		error = let_all_pass(filter, kind);
#endif
	if (error == 0)
		error = export_program(filter, &confine.program[kind]);
	seccomp_release(filter);
	return error;
}

static int load(enum thread_kind kind, unsigned int flags)
{
	/* We run nobody's code but ours: the kernel need not slow its threads down against what they might guess. */
	long result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags | SECCOMP_FILTER_FLAG_SPEC_ALLOW,
			      &confine.program[kind]);

	/* More than 0: a thread that has another filter. */
	return result == 0 ? 0 : result > 0 ? -EBUSY : -errno;
}

/* --- beginning --------------------------------------------------------------------------------------------------- */

void confine_prepare_thread(void)
{
	sigset_t it;

	sigemptyset(&it);
	sigaddset(&it, SIGSYS);
	pthread_sigmask(SIG_UNBLOCK, &it, NULL);
}

void confine_thread(enum thread_kind kind)
{
	int error = confine.mode == CONFINE_OFF ? 0 : load(kind, 0);

	if (error != 0)
		log_error("vuswitch", "the %s thread may do what any thread may, and not only what it has a use for: %s",
			  thread_kind_name(kind), strerror(-error));
}

static void name_calls(void)
{
	for (int call = 0; call < CALLS; call++)
		if (confine.name[call] == NULL)
			confine.name[call] = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, call);
}

/* Some calls no line can be written about: their owner finds them elsewhere. */
static void tell_where(void)
{
#ifdef CALL_RESULT
	log_info("vuswitch",
		 "--seccomp log: a call that is on no list is made, and a line says so; calls that begin a program or a thread "
		 "are in the kernel's log alone: journalctl -k -g 'type=1326.* pid=%d '",
		 (int)getpid());
#else
	log_info("vuswitch",
		 "--seccomp log: a call that is on no list is made; on this machine such calls are in the kernel's log alone: "
		 "journalctl -k -g 'type=1326.* pid=%d '",
		 (int)getpid());
#endif
}

int confine_start(enum confine_mode mode, struct fail *fail)
{
	int error = 0;

	if (mode == CONFINE_OFF)
		return 0;
	confine.mode = mode;
	confine.under_journal = getenv("JOURNAL_STREAM") != NULL;
	if (getrandom(&confine.pass, sizeof(confine.pass), 0) != sizeof(confine.pass))
		confine.pass = (uint64_t)time(NULL) << 32 | (uint32_t)getpid();
	/* The time zone is a file, which a thread that writes the date could not open. */
	tzset();
	name_calls();
	for (unsigned int kind = 0; error == 0 && kind < THREAD_KINDS; kind++)
		error = make_program((enum thread_kind)kind);
	if (error == 0)
		error = handle_sigsys();
	if (error == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		error = -errno;
	if (error == 0)
		error = load(THREAD_OTHER, SECCOMP_FILTER_FLAG_TSYNC);
	if (error != 0)
		return fail_set(fail, error,
				"vuswitch: its system calls cannot be limited: %s; a kernel without seccomp needs --seccomp off",
				strerror(-error));
	if (mode == CONFINE_LOG)
		tell_where();
	return 0;
}
