/* SPDX-License-Identifier: BSD-3-Clause */
/* memory_churn CYCLES MIB[:USED]...: what a guest's memory that comes and goes costs the guests that talk meanwhile.
 *
 * Two pairs of guests send to each other through one lcore as fast as it goes. One of the four adds a
 * region and removes it again, CYCLES times for each size, as fast as the acknowledgements come; with
 * USED, it also receives into that many MiB of it in between, so that there is something to unmap. Each
 * stretch of that is followed by a quiet one of the same length. Prints a line of JSON for each size
 * and each of the two: how long acknowledgements took, how long a guest got nothing (the one whose
 * memory it is, and one of the other pair), and the lcore's longest round. Every frame carries a
 * number, and the first that is missing, late or there twice ends the program with status 1.
 *
 * A stretch in which something else had the lcore's CPU (the kernel's own accounting; a hypervisor's steal)
 * says nothing about the switch and is taken again, a few times. "kept" is how many were left alone.
 *
 * "wall" is time on the wall; "awake" leaves out the moments in which this program itself had no CPU,
 * which it shares with the switch's control thread unless there are three. Needs VUSWITCH in the
 * environment; FG_BACKEND=testpmd measures DPDK's vhost library instead.
 */
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fg_clock.h"
#include "load.h"

enum { STRETCHES = 20, TRIES = 4 * STRETCHES, WARM_MS = 200, PAGE = 4096, CYCLES_MAX = 1000000 };
enum { DISTURBED_NS = 50000 };
#define GPA  (1ull << 45)
#define USER (1ull << 46)

static const char *const ports[] = {"a", "b", "c", "d", NULL};
static const struct load_layout layout = {"1 region", .pieces = 1, .regions = 1};

struct scene {
	struct fg_switch sw;
	struct load_guest guest[4];
	struct load_lane lane[4]; /* [0] and [2] are the ones whose receivers keep time */
	bool share;		  /* our CPU is the control thread's too */
	char lcore[300];	  /* where the kernel says how long the lcore waited for its CPU */
};

/* The region: what is known of it, and where its cycle is. */
struct region {
	uint64_t size, used;
	int fd;
	uint8_t *map;
	enum { OUT, ADDING, IN, REMOVING } state;
	uint64_t asked_ns;
	unsigned int cycles;
	uint64_t *add_ns, *remove_ns; /* of each cycle */
};

/* What a kind of stretch has come to. */
struct figures {
	struct load_gaps own_wall, own_awake, other_wall, other_awake;
	double loop_us[TRIES];
	unsigned int stretches, kept;
	uint64_t frames, ns;
};

/* --- traffic and memory, step by step ----------------------------------------------------------- */

/* A back end without slots of its own for regions is told the whole table. */
static int ask_by_table(struct load_guest *g, const struct region *r, bool with)
{
	const struct fg_region *first = &g->mem.region[0];
	const int fds[2] = {first->fd, r->fd};
	struct fg_msg m = {
		.request = FG_SET_MEM_TABLE,
		.flags = FG_VERSION | FG_NEED_REPLY,
		.size = with ? 72 : 40,
		.table = {.n = with ? 2 : 1},
	};

	m.table.region[0] = (struct fg_mem_region){first->gpa, first->size, first->user_addr, 0};
	m.table.region[1] = (struct fg_mem_region){GPA, r->size, USER, 0};
	return fg_wire_send(g->s.sock, &m, fds, m.table.n);
}

static int ask(struct load_guest *g, struct region *r, uint32_t request)
{
	struct fg_msg m = {
		.request = request,
		.flags = FG_VERSION | FG_NEED_REPLY,
		.size = 40,
		.one = {.region = {GPA, r->size, USER, 0}},
	};

	r->state = request == FG_ADD_MEM_REG ? ADDING : REMOVING;
	r->asked_ns = load_now_ns();
	if ((g->s.protocol & FG_P_MEM_SLOTS) == 0)
		return ask_by_table(g, r, r->state == ADDING);
	return fg_wire_send(g->s.sock, &m, &r->fd, request == FG_ADD_MEM_REG);
}

static int answered(struct load_guest *g, struct region *r)
{
	struct fg_msg m;
	int err = fg_wire_recv(g->s.sock, &m, NULL, 0);
	uint64_t took = load_now_ns() - r->asked_ns;

	if (err == -ETIMEDOUT)
		return took > FG_WAIT_MS * 1000000ull ? err : 0;
	if (err < 0 || m.u64 != 0) {
		fprintf(stderr, "a region was not %s: %s\n", r->state == ADDING ? "added" : "removed",
			err < 0 ? strerror(-err) : "refused");
		return -EPROTO;
	}
	if (r->state == ADDING) {
		r->add_ns[r->cycles] = took;
		r->state = IN;
		g->elsewhere = (unsigned int)(r->used / PAGE);
		g->elsewhere_gpa = GPA;
		g->elsewhere_at = r->map;
	} else {
		r->remove_ns[r->cycles++] = took;
		r->state = OUT;
	}
	return 0;
}

static int churn(struct load_guest *g, struct region *r)
{
	switch (r->state) {
	case OUT:
		return ask(g, r, FG_ADD_MEM_REG);
	case IN:
		return g->elsewhere + g->elsewhere_out > 0 ? 0 : ask(g, r, FG_REM_MEM_REG);
	default:
		return answered(g, r);
	}
}

static int traffic(struct scene *scene)
{
	int err = 0;

	for (unsigned int i = 0; err == 0 && i < 4; i++)
		err = load_lane_step(&scene->lane[i], true);
	if (scene->share) /* let the control thread have its turn now, not at the end of ours */
		sched_yield();
	return err;
}

/* --- stretches ---------------------------------------------------------------------------------- */

/* How long the lcore has waited for its CPU so far, in ns, and all CPUs for the hypervisor. */
static uint64_t waited(const struct scene *scene)
{
	unsigned long long run = 0, wait = 0, stolen = 0;
	FILE *f = fopen(scene->lcore, "r");

	if (f == NULL || fscanf(f, "%llu %llu", &run, &wait) != 2)
		wait = 0;
	if (f != NULL)
		fclose(f);
	f = fopen("/proc/stat", "r");
	if (f == NULL || fscanf(f, "cpu %*u %*u %*u %*u %*u %*u %*u %llu", &stolen) != 1)
		stolen = 0;
	if (f != NULL)
		fclose(f);
	return wait + stolen * 10000000;
}

static int find_lcore(struct scene *scene)
{
	char path[300], name[32] = "";
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)scene->sw.pid);
	d = opendir(path);
	while (d != NULL && strstr(name, "worker") == NULL && (e = readdir(d)) != NULL) {
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%d/task/%.16s/comm", (int)scene->sw.pid, e->d_name);
		f = fopen(path, "r");
		if (f == NULL || fgets(name, sizeof(name), f) == NULL)
			name[0] = '\0';
		if (f != NULL)
			fclose(f);
		snprintf(scene->lcore, sizeof(scene->lcore), "/proc/%d/task/%.16s/schedstat",
			 (int)scene->sw.pid, e->d_name);
	}
	if (d != NULL)
		closedir(d);
	return strstr(name, "worker") != NULL ? 0 : -ESRCH;
}

/* Until @cycles are through, or without a region, for @ns: how long it took, or -errno. In @kept, whether the lcore had its
 * CPU all the time. */
static int64_t stretch(struct scene *scene, struct region *r, unsigned int cycles, uint64_t ns,
		       struct figures *f, bool *kept)
{
	uint64_t began, frames = 0, waiting = waited(scene);
	int err = 0;

	memset(f, 0, sizeof(*f));
	scene->lane[0].wall = &f->own_wall;
	scene->lane[0].awake = &f->own_awake;
	scene->lane[2].wall = &f->other_wall;
	scene->lane[2].awake = &f->other_awake;
	fg_longest_round_us(&scene->sw, true);
	for (unsigned int i = 0; i < 4; i++) {
		load_lane_restart(&scene->lane[i]);
		frames -= scene->lane[i].received;
	}
	began = load_now_ns();
	while (err == 0 && (r != NULL ? r->cycles < cycles : load_now_ns() - began < ns)) {
		err = traffic(scene);
		if (err == 0 && r != NULL)
			err = churn(&scene->guest[0], r);
	}
	f->ns = load_now_ns() - began;
	f->loop_us[0] = fg_longest_round_us(&scene->sw, true);
	for (unsigned int i = 0; i < 4; i++)
		frames += scene->lane[i].received;
	f->frames = frames;
	*kept = waited(scene) - waiting < DISTURBED_NS;
	return err < 0 ? err : (int64_t)f->ns;
}

static void add_up(struct figures *sum, const struct figures *one)
{
	load_gaps_add(&sum->own_wall, &one->own_wall);
	load_gaps_add(&sum->own_awake, &one->own_awake);
	load_gaps_add(&sum->other_wall, &one->other_wall);
	load_gaps_add(&sum->other_awake, &one->other_awake);
	sum->loop_us[sum->stretches++] = one->loop_us[0];
	sum->frames += one->frames;
	sum->ns += one->ns;
}

/* --- what is printed ---------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static int by_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void print_acks(const char *name, uint64_t *ns, unsigned int n)
{
	qsort(ns, n, sizeof(*ns), by_value);
	printf(", \"%s\": [%.1f, %.1f, %.1f]", name, (double)ns[n / 2] / 1000,
	       (double)ns[n - 1 - n / 1000] / 1000, (double)ns[n - 1] / 1000);
}

static void print_gaps(const char *name, const struct load_gaps *gaps)
{
	printf(", \"%s\": [%.1f, %.1f, %.1f]", name, (double)load_gaps_at(gaps, 0.5) / 1000,
	       (double)load_gaps_at(gaps, 0.999) / 1000, (double)gaps->longest_ns / 1000);
}

static void print_figures(const struct region *r, const char *mode, struct figures *f)
{
	qsort(f->loop_us, f->stretches, sizeof(f->loop_us[0]), by_double);
	printf("{\"mib\": %llu, \"used_mib\": %llu, \"mode\": \"%s\", \"cycles\": %u, \"mpps\": %.3f",
	       (unsigned long long)(r->size >> 20), (unsigned long long)(r->used >> 20), mode,
	       r->cycles, (double)f->frames * 1000 / (double)f->ns);
	print_gaps("own_wall_us", &f->own_wall);
	print_gaps("own_awake_us", &f->own_awake);
	print_gaps("other_wall_us", &f->other_wall);
	print_gaps("other_awake_us", &f->other_awake);
	printf(", \"loop_us\": [%.1f, %.1f], \"stretches\": %u, \"kept\": %u",
	       f->loop_us[f->stretches / 2], f->loop_us[f->stretches - 1], f->stretches, f->kept);
}

/* --- a size ------------------------------------------------------------------------------------- */

static int region_open(struct region *r, const char *text, unsigned int cycles)
{
	char *end;

	memset(r, 0, sizeof(*r));
	r->size = strtoull(text, &end, 10) << 20;
	r->used = *end == ':' ? strtoull(end + 1, &end, 10) << 20 : 0;
	if (*end != '\0' || r->size == 0 || r->used > r->size)
		return -EINVAL;
	r->fd = fg_memory_file(r->size);
	r->map = mmap(NULL, r->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, r->fd, 0);
	r->add_ns = calloc(2 * (size_t)cycles, sizeof(uint64_t));
	r->remove_ns = r->add_ns + cycles;
	return r->fd < 0 || r->map == MAP_FAILED || r->add_ns == NULL ? -ENOMEM : 0;
}

static void region_close(struct region *r)
{
	if (r->add_ns == NULL)
		return;
	munmap(r->map, r->size);
	close(r->fd);
	free(r->add_ns);
}

static int measure(struct scene *scene, const char *text, unsigned int cycles)
{
	static struct figures busy, quiet, one[2];
	struct region r;
	int64_t err = region_open(&r, text, cycles);
	unsigned int tries = 0;

	memset(&busy, 0, sizeof(busy));
	memset(&quiet, 0, sizeof(quiet));
	while (err >= 0 && busy.stretches < STRETCHES) {
		unsigned int before = r.cycles;
		bool kept = false, calm = false;

		err = stretch(scene, &r, cycles * (busy.stretches + 1) / STRETCHES, 0, &one[0], &kept);
		if (err >= 0)
			err = stretch(scene, NULL, 0, (uint64_t)err, &one[1], &calm);
		if (err >= 0 && (!kept || !calm) && ++tries <= TRIES - STRETCHES) {
			r.cycles = before; /* what was measured is forgotten */
			continue;
		}
		busy.kept += kept;
		quiet.kept += calm;
		add_up(&busy, &one[0]);
		add_up(&quiet, &one[1]);
	}
	if (err >= 0) {
		print_figures(&r, "quiet", &quiet);
		printf("}\n");
		print_figures(&r, "churn", &busy);
		print_acks("add_us", r.add_ns, cycles);
		print_acks("remove_us", r.remove_ns, cycles);
		printf("}\n");
		fflush(stdout);
	}
	region_close(&r);
	return err < 0 ? (int)err : 0;
}

static int open_scene(struct scene *scene)
{
	struct load_guest *g = scene->guest;
	uint64_t end;
	int err = 0;

	for (unsigned int i = 0; err == 0 && i < 4; i++) {
		err = load_guest_open(&g[i], &scene->sw, ports[i], &layout, i);
		if (err == 0 && !scene->sw.stand_in)
			err = load_guest_introduce(&g[i]);
	}
	fg_sleep_us(50000); /* addresses pass through the control thread */
	if (err < 0)
		return err;
	for (unsigned int i = 0; i < 4; i++) /* b to a, a to b, d to c, c to d */
		load_lane_open(&scene->lane[i], &g[i ^ 1], &g[i], i % 2 == 0 ? 64 : 1518);
	end = load_now_ns() + WARM_MS * 1000000ull;
	while (err == 0 && load_now_ns() < end)
		err = traffic(scene);
	return err;
}

int main(int argc, char **argv)
{
	static const char *const args[] = {"--busy-poll", NULL};
	const struct fg_switch_options opt = {.ports = ports, .args = args};
	static struct scene scene;
	long cycles = argc > 1 ? atol(argv[1]) : 0;
	int err;

	if (argc < 3 || cycles < STRETCHES || cycles > CYCLES_MAX) {
		fprintf(stderr, "usage: memory_churn CYCLES MIB[:USED]...\n");
		return 1;
	}
	err = fg_switch_start(&scene.sw, &opt);
	scene.share = load_pin() < 3;
	if (err == 0)
		err = find_lcore(&scene);
	if (err == 0)
		err = open_scene(&scene);
	for (int i = 2; err == 0 && i < argc; i++)
		err = measure(&scene, argv[i], (unsigned int)cycles);
	for (unsigned int i = 0; err == 0 && i < 4; i++)
		err = load_lane_drain(&scene.lane[i]);
	for (unsigned int i = 0; i < 4; i++)
		load_guest_close(&scene.guest[i]);
	return fg_switch_stop(&scene.sw) < 0 || err < 0;
}
