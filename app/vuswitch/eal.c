/* SPDX-License-Identifier: BSD-3-Clause */
#include "eal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_bus.h>
#include <rte_eal.h>
#include <rte_errno.h>

#include "corpse.h"
#include "eal_log.h"
#include "eal_output.h"
#include "log.h"

enum {
	/* Enough for the MAC tables of a few bridges and the mbufs of a few devices. */
	MEMORY_MIB = 512,
	/* With less in huge pages there is no room for a device's mbufs. */
	MEMORY_MIB_LEAST = 64,
	OWN_ARGS_MAX = 12,
	ARG_BYTES = 64,
};

/* EAL's argv: it keeps pointers into it. */
struct eal_args {
	char **argv;
	int argc;
	char own[OWN_ARGS_MAX][ARG_BYTES];
	int own_n;
};

static struct eal_args args;

__attribute__((format(printf, 1, 2))) static void eal_add(const char *fmt, ...)
{
	char *text = args.own[args.own_n++];
	va_list values;

	va_start(values, fmt);
	vsnprintf(text, ARG_BYTES, fmt, values);
	va_end(values);
	args.argv[args.argc++] = text;
}

/* Whether the user gave one of the options in `names`, a list ended by NULL. */
static bool given(const struct options *options, const char *const *names)
{
	for (int i = 0; i < options->eal_n; i++) {
		for (const char *const *name = names; *name != NULL; name++) {
			size_t len = strlen(*name);
			const char *arg = options->eal[i];

			if (strncmp(arg, *name, len) == 0 &&
			    (arg[len] == '\0' || arg[len] == '=' || len == 2))
				return true;
		}
	}
	return false;
}

static unsigned long eal_read_number(const char *path)
{
	FILE *file = fopen(path, "re");
	unsigned long number = 0;

	if (file == NULL)
		return 0;
	if (fscanf(file, "%lu", &number) != 1)
		number = 0;
	fclose(file);
	return number;
}

/* In huge pages of any size. */
static unsigned long free_huge_mib(void)
{
	static const char folder[] = "/sys/kernel/mm/hugepages";
	DIR *dir = opendir(folder);
	unsigned long mib = 0, kib;
	struct dirent *entry;
	char path[320];

	if (dir == NULL)
		return 0;
	while ((entry = readdir(dir)) != NULL) {
		if (sscanf(entry->d_name, "hugepages-%lukB", &kib) != 1)
			continue;
		snprintf(path, sizeof(path), "%s/%s/free_hugepages", folder, entry->d_name);
		mib += eal_read_number(path) * kib / 1024;
	}
	closedir(dir);
	return mib;
}

/* EAL would take a minute or more, and gigabytes, to find that out, and then give another reason. */
static int check_size(const struct options *options, struct fail *fail)
{
	unsigned long there = (unsigned long)sysconf(_SC_PHYS_PAGES) / 1024 *
			      ((unsigned long)sysconf(_SC_PAGESIZE) / 1024);

	for (int i = 0; i < options->eal_n; i++) {
		const char *word = options->eal[i];

		if (strncmp(word, "-m", 2) != 0)
			continue;
		word += 2;
		if (word[0] == '\0' && i + 1 < options->eal_n)
			word = options->eal[i + 1];
		if (strtoul(word, NULL, 10) > there)
			return fail_set(fail, -ENOMEM,
					"EAL did not start: -m %s is more than this machine has, %lu "
					"MiB; give less, or leave it out for %d",
					word, there, MEMORY_MIB);
	}
	return 0;
}

static void add_memory(const struct options *options)
{
	static const char *const kinds[] = {"--no-huge",
					    "--in-memory",
					    "--huge-dir",
					    "--legacy-mem",
					    "--no-shconf",
					    "--huge-unlink",
					    "--single-file-segments",
					    "--proc-type",
					    NULL};
	static const char *const sizes[] = {"-m", "--socket-mem", NULL};
	unsigned long huge = free_huge_mib(), size = MEMORY_MIB;

	if (!given(options, kinds)) {
		if (huge >= MEMORY_MIB_LEAST) {
			eal_add("--in-memory");
			size = huge < size ? huge : size;
		} else {
			eal_add("--no-huge");
			eal_add("--no-shconf");
			log_warn("vuswitch",
				 "%lu MiB are free in huge pages: ordinary pages are used, which "
				 "costs speed; `sysctl vm.nr_hugepages=512` and a restart mend it",
				 huge);
		}
	}
	if (!given(options, sizes))
		eal_add("-m%lu", size);
}

/* On a single CPU EAL makes one lcore, and it is for control: both threads share that CPU. */
static void add_threads(const struct options *options)
{
	static const char *const kinds[] = {"-l", "-c", "--lcores", NULL};
	cpu_set_t cpus;
	int cpu = 0;

	if (given(options, kinds) || sched_getaffinity(0, sizeof(cpus), &cpus) != 0 ||
	    CPU_COUNT(&cpus) != 1)
		return;
	while (!CPU_ISSET(cpu, &cpus))
		cpu++;
	eal_add("--lcores=0@%d,1@%d", cpu, cpu);
	log_warn("vuswitch",
		 "CPU %d is the only one: the thread that moves frames shares it with the control "
		 "thread, which costs speed",
		 cpu);
}

/* FNV-1a: only to tell paths apart. */
static uint32_t hash_text(const char *text)
{
	uint32_t hash = 2166136261u;

	for (; *text != '\0'; text++)
		hash = (hash ^ (uint8_t)*text) * 16777619u;
	return hash;
}

/* The value of --file-prefix among the user's options, or NULL. */
static const char *prefix_given(const struct options *options)
{
	static const char name[] = "--file-prefix";
	const char *prefix = NULL;

	for (int i = 0; i < options->eal_n; i++) {
		const char *word = options->eal[i];

		if (strncmp(word, name, sizeof(name) - 1) != 0)
			continue;
		word += sizeof(name) - 1;
		if (*word == '=')
			prefix = word + 1;
		else if (*word == '\0' && i + 1 < options->eal_n)
			prefix = options->eal[i + 1];
	}
	return prefix;
}

/* What EAL leaves in its runtime folder has no use once it has ended. */
static void remove_folder(char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;

	if (dir == NULL)
		return;
	while ((entry = readdir(dir)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
	rmdir(folder);
	/* The one all DPDK programs share stays if there are others. */
	if (strrchr(folder, '/') != NULL) {
		*strrchr(folder, '/') = '\0';
		rmdir(folder);
	}
}

/* EAL begins with a lock on a file of its runtime folder, which a process that is dead and not gone (corpse.h) still has: with
 * another file there is another lock. EAL names the folder only after it has begun: this is how it chooses it. */
static void clear_runtime_folder(const char *prefix)
{
	const char *above = getenv("RUNTIME_DIRECTORY");
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char folder[PATH_MAX - 16], config[PATH_MAX];
	int fd;

	if (above == NULL && getuid() == 0)
		above = "/var/run";
	else if (above == NULL)
		above = getenv("XDG_RUNTIME_DIR");
	if (snprintf(folder, sizeof(folder), "%s/dpdk/%s", above != NULL ? above : "/tmp", prefix) >= (int)sizeof(folder))
		return;
	snprintf(config, sizeof(config), "%s/config", folder);
	fd = open(config, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return;
	if (fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK && corpse_is(lock.l_pid))
		remove_folder(folder);
	close(fd);
}

/* Starts EAL; `keep`: what it prints, unless it starts, is made one line. */
static int init(bool keep, struct fail *fail)
{
	char *words;
	int result, error;

	/* getopt's line is the only one that names an option EAL does not know. */
	opterr = 1;
	if (keep)
		eal_output_capture();
	result = rte_eal_init(args.argc, args.argv);
	error = rte_errno != 0 ? rte_errno : EINVAL;
	opterr = 0;
	words = eal_output_release();
	if (result >= 0 && words != NULL)
		eal_output_print(words);
	else if (result < 0 && words != NULL)
		eal_output_explain(words, error, fail);
	else if (result < 0)
		fail_set(fail, -error,
			 "EAL did not start (%s): its own lines above say why; `vuswitch --no-huge "
			 "--no-pci -- ...` is what needs least",
			 rte_strerror(error));
	free(words);
	return result < 0 ? -error : 0;
}

int eal_start(const struct options *options, struct fail *fail)
{
	static const char *const log_level[] = {"--log-level", NULL};
	static const char *const pci[] = {"-a", "--allow", "-b", "--block", "--no-pci", NULL};
	const char *prefix = prefix_given(options);
	int error = check_size(options, fail);
	char own[32];

	if (error != 0)
		return error;
	args.argv = calloc((size_t)options->eal_n + OWN_ARGS_MAX + 2, sizeof(*args.argv));
	if (args.argv == NULL)
		return fail_set(fail, -ENOMEM, "EAL: no memory");
	eal_add("vuswitch");
	for (int i = 0; i < options->eal_n; i++)
		args.argv[args.argc++] = options->eal[i];
	eal_log_start();
	add_threads(options);
	add_memory(options);
	if (prefix == NULL) {
		snprintf(own, sizeof(own), "vuswitch-%08x", hash_text(options->control));
		eal_add("--file-prefix=%s", own);
	}
	clear_runtime_folder(prefix != NULL ? prefix : own);
	/* A NIC that was not named stays with its driver; a port takes its own (ethdev_device.h). A DPDK without the PCI bus
	 * does not know what an address is. */
	if (!given(options, pci))
		eal_add(rte_bus_find_by_name("pci") != NULL ? "--allow=0000:00:00.0" : "--no-pci");
	if (!given(options, log_level)) {
		/* Telemetry warns of something obsolete that is not there, EAL of huge page sizes that are not used.
		 * The last word counts for what EAL knows already, the first one for what it gets to know later. */
		eal_add("--log-level=lib.telemetry:error");
		eal_add("--log-level=*:warning");
		eal_add("--log-level=lib.eal:error");
	}
	return init(!given(options, log_level), fail);
}

void eal_stop(void)
{
	char folder[512];

	snprintf(folder, sizeof(folder), "%s", rte_eal_get_runtime_dir());
	rte_eal_cleanup();
	remove_folder(folder);
	free(args.argv);
	args.argv = NULL;
}
