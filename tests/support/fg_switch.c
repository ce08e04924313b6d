/* SPDX-License-Identifier: BSD-3-Clause */
#include "fg_switch.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fg_clock.h"
#include "fg_wire.h"

/* Leak detection at the end of a sanitized build on a busy machine takes seconds; that the switch
 * itself ends within one is a test case of its own. */
enum { ARGS_MAX = 96, START_MS = 30000, STOP_MS = 20000 };
/* Devices that take longer to start are the affair of the test. */
enum { DEVICES_MS = 3000 };

struct argv {
	char *arg[ARGS_MAX];
	int n;
};

static void __attribute__((format(printf, 2, 3))) add(struct argv *a, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	if (a->n == ARGS_MAX - 1 || vasprintf(&a->arg[a->n], format, ap) < 0)
		abort();
	va_end(ap);
	a->arg[++a->n] = NULL;
}

static void add_all(struct argv *a, const char *const *args)
{
	for (; args != NULL && *args != NULL; args++)
		add(a, "%s", *args);
}

/* The control thread on the first CPU we may use and a worker on the second, if there is one. */
static const char *default_lcores(void)
{
	static char text[64];
	cpu_set_t set;
	int cpu[2], n = 0;

	if (getenv("FG_LCORES") != NULL)
		return getenv("FG_LCORES");
	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return "0@0,1@0";
	for (int i = 0; i < CPU_SETSIZE && n < 2; i++)
		if (CPU_ISSET(i, &set))
			cpu[n++] = i;
	snprintf(text, sizeof(text), "0@%d,1@%d", cpu[0], cpu[n - 1]);
	return text;
}

static void arguments_of_vuswitch(const struct fg_switch *sw, struct argv *a)
{
	add(a, "%s", getenv("VUSWITCH"));
	add(a, "--no-huge");
	add(a, "-m");
	add(a, "256");
	add(a, "--no-pci");
	add(a, "--lcores");
	add(a, "%s", sw->opt.lcores != NULL ? sw->opt.lcores : default_lcores());
	add(a, "--file-prefix");
	add(a, "%s", strrchr(sw->dir, '/') + 1);
	add_all(a, sw->opt.eal);
	if (getenv("FG_LEND") != NULL) {
		add(a, "--vdev");
		add(a, "net_null0,no-rx=1");
	}
	add(a, "--");
	if (getenv("FG_LEND") != NULL) {
		add(a, "--ethdev");
		add(a, "sink=net_null0,zero-copy-tx=on");
	}
	add(a, "--control");
	add(a, "%s", sw->control);
	for (const char *const *p = sw->opt.ports; *p != NULL; p++) {
		const char *comma = strchrnul(*p, ',');

		add(a, "--vhost");
		add(a, "%.*s=%s/%.*s.sock%s", (int)(comma - *p), *p, sw->dir, (int)(comma - *p), *p,
		    comma);
	}
	add_all(a, sw->opt.args);
}

static void arguments_of_testpmd(const struct fg_switch *sw, struct argv *a)
{
	int i = 0;

	add(a, "dpdk-testpmd");
	add(a, "--no-huge");
	add(a, "-m");
	add(a, "512");
	add(a, "--no-pci");
	add(a, "--no-shconf");
	add(a, "--no-telemetry");
	add(a, "-l");
	add(a, "0,1");
	add(a, "--file-prefix");
	add(a, "%s", strrchr(sw->dir, '/') + 1);
	for (const char *const *p = sw->opt.ports; *p != NULL; p++, i++) {
		const char *comma = strchrnul(*p, ',');

		add(a, "--vdev=net_vhost%d,iface=%s/%.*s.sock,postcopy-support=1%s", i, sw->dir, (int)(comma - *p), *p,
		    comma);
	}
	add(a, "--");
	add(a, "--forward-mode=io");
	add(a, "--total-num-mbufs=8192");
	add(a, "--no-mlockall");
}

static void run_child(struct fg_switch *sw, struct argv *a, int input)
{
	int out = open(sw->log, O_WRONLY | O_CREAT | O_APPEND, 0600);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(input, 0);
	dup2(out, 1);
	dup2(out, 2);
	setenv("RUNTIME_DIRECTORY", sw->dir, 1);
	execvp(a->arg[0], a->arg);
	perror(a->arg[0]);
	_exit(127);
}

static int spawn(struct fg_switch *sw)
{
	struct argv a = {0};
	int ends[2];

	if (sw->stand_in)
		arguments_of_testpmd(sw, &a);
	else
		arguments_of_vuswitch(sw, &a);
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	sw->pid = fork();
	if (sw->pid == 0)
		run_child(sw, &a, ends[0]);
	close(ends[0]);
	sw->input = ends[1];
	while (a.n > 0)
		free(a.arg[--a.n]);
	return sw->pid < 0 ? -errno : 0;
}

/* The first word of a port's description is its name. */
const char *fg_switch_socket(const struct fg_switch *sw, const char *port)
{
	static char paths[4][FG_PATH_MAX];
	static unsigned int next;
	char *path = paths[next++ % 4];
	int name = (int)(strchrnul(port, ',') - port);

	if (snprintf(path, FG_PATH_MAX, "%s/%.*s.sock", sw->dir, name, port) >= FG_PATH_MAX)
		abort();
	return path;
}

static bool ready(const struct fg_switch *sw)
{
	for (const char *const *p = sw->opt.ports; *p != NULL; p++)
		if (strstr(*p, "mode=client") == NULL && access(fg_switch_socket(sw, *p), F_OK) < 0)
			return false;
	if (!sw->stand_in) {
		int sock = fg_wire_connect(sw->control, 0);

		if (sock < 0)
			return false;
		close(sock);
	}
	return true;
}

/* No port is one whose device is still on its way. */
static bool all_started(const struct fg_switch *sw)
{
	json_t *answer = fg_switch_query(sw, "ports", NULL), *port;
	bool all = answer != NULL;
	size_t i;

	json_array_foreach(json_object_get(answer, "ports"), i, port)
		all = all && json_object_get(port, "starting") == NULL;
	json_decref(answer);
	return all;
}

static int wait_ready(struct fg_switch *sw)
{
	int64_t deadline = fg_deadline(START_MS);

	while (!ready(sw)) {
		if (!fg_switch_alive(sw) || fg_left_ms(deadline) == 0) {
			fprintf(stderr, "the switch does not start:\n");
			fg_switch_show_log(sw);
			return -ETIMEDOUT;
		}
		fg_sleep_us(10000);
	}
	deadline = fg_deadline(DEVICES_MS);
	while (!sw->stand_in && !all_started(sw) && fg_left_ms(deadline) > 0)
		fg_sleep_us(2000);
	return 0;
}

int fg_switch_start(struct fg_switch *sw, const struct fg_switch_options *opt)
{
	const char *backend = getenv("FG_BACKEND");
	int err;

	memset(sw, 0, sizeof(*sw));
	sw->opt = *opt;
	sw->stand_in = backend != NULL && strcmp(backend, "testpmd") == 0;
	if (!sw->stand_in && getenv("VUSWITCH") == NULL) {
		fprintf(stderr, "set VUSWITCH to the vuswitch binary (meson test does)\n");
		return -ENOENT;
	}
	strcpy(sw->dir, "/tmp/vus-test-XXXXXX");
	if (mkdtemp(sw->dir) == NULL)
		return -errno;
	snprintf(sw->control, sizeof(sw->control), "%s/control.sock", sw->dir);
	snprintf(sw->log, sizeof(sw->log), "%s/log", sw->dir);
	err = spawn(sw);
	return err < 0 ? err : wait_ready(sw);
}

void fg_switch_show_log(const struct fg_switch *sw)
{
	FILE *f = fopen(sw->log, "r");
	char line[512];

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		fprintf(stderr, "  | %s", line);
	if (f != NULL)
		fclose(f);
}

bool fg_switch_alive(struct fg_switch *sw)
{
	siginfo_t info = {0};

	return sw->pid > 0 &&
	       waitid(P_PID, (id_t)sw->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid == 0;
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st, (void)kind, (void)ftw;
	return remove(path);
}

/* What sanitizers, DPDK's own checks and the limits of threads (--seccomp) say when they find something. */
static bool log_is_clean(const struct fg_switch *sw)
{
	static const char *const bad[] = {"Sanitizer", "runtime error:", "PANIC", "has made the system call"};
	FILE *f = fopen(sw->log, "r");
	char line[512];
	bool clean = true;

	while (f != NULL && clean && fgets(line, sizeof(line), f) != NULL)
		for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
			clean = clean && strstr(line, bad[i]) == NULL;
	if (f != NULL)
		fclose(f);
	return clean;
}

static int wait_exit(struct fg_switch *sw, int *status)
{
	int64_t deadline = fg_deadline(STOP_MS);

	while (fg_switch_alive(sw)) {
		if (fg_left_ms(deadline) == 0) {
			kill(sw->pid, SIGKILL);
			waitpid(sw->pid, status, 0);
			return -ETIMEDOUT;
		}
		fg_sleep_us(5000);
	}
	return waitpid(sw->pid, status, 0) == sw->pid ? 0 : -ECHILD;
}

int fg_switch_stop(struct fg_switch *sw)
{
	int status = 0;
	int err;

	if (sw->pid <= 0)
		return 0;
	kill(sw->pid, SIGTERM);
	err = wait_exit(sw, &status);
	if (err < 0)
		fprintf(stderr, "the switch did not end within %d ms of SIGTERM\n", STOP_MS);
	else if (!sw->stand_in && (!WIFEXITED(status) || WEXITSTATUS(status) != 0))
		err = -EIO;
	for (const char *const *p = sw->opt.ports; err == 0 && !sw->stand_in && *p != NULL; p++)
		if (strstr(*p, "mode=client") == NULL &&
		    access(fg_switch_socket(sw, *p), F_OK) == 0)
			err = -EEXIST;
	if (err == 0 && !sw->stand_in && access(sw->control, F_OK) == 0)
		err = -EEXIST;
	if (err == 0 && !log_is_clean(sw))
		err = -EFAULT;
	if (err < 0) {
		fprintf(stderr, "the switch ended badly: %s, wait status 0x%x\n", strerror(-err),
			(unsigned int)status);
		fg_switch_show_log(sw);
	}
	close(sw->input);
	nftw(sw->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	sw->pid = 0;
	return err;
}

void fg_switch_kill(struct fg_switch *sw)
{
	kill(sw->pid, SIGKILL);
	waitpid(sw->pid, NULL, 0);
	close(sw->input);
	sw->pid = 0;
}

int fg_switch_restart(struct fg_switch *sw)
{
	int err = spawn(sw);

	return err < 0 ? err : wait_ready(sw);
}
