/* SPDX-License-Identifier: BSD-3-Clause */
/* Each call of the switch that may fail does, once: in each of the stories (stories.h), and at the switch's start and end.
 * Whatever the guests are told then, the switch goes on: every request is answered or hung up on, nothing is kept,
 * two other guests lose nothing, and what failed works the next time. A start that fails says why in a line.
 *
 *	inject_test [guests | arrival | reload | starts]
 *
 *	INJECT_SITES   how many places to try, spread evenly over all of them; 0: all. Of a place the first, the second and the
 *		       last call fail; INJECT_EVERY=1: every one of them, up to 100.
 *	INJECT_SEED    which ones of them
 *	INJECT_ONLY    NAME or NAME@OFFSET as this prints it: that call alone
 *
 * What was to be unmapped stays mapped where munmap() fails; everything else has to be as it was. Wants a switch of the build
 * -Dinject=enabled (scripts/inject).
 */
#include "faults.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "migration.h"
#include "stories.h"

enum { MANY = 100 };

static struct faults *faults;
static int (*story)(void);

/* --- a site, and its name ------------------------------------------------------------------------------------------ */

struct plan {
	uint64_t from, calls;
	unsigned int site;
};

static void arm(uint64_t from, uint64_t at)
{
	atomic_store(&faults->fired, 0);
	atomic_store(&faults->at, at);
	atomic_store(&faults->armed, from);
}

static void disarm(void)
{
	atomic_store(&faults->armed, 0);
}

/* The function and the line that a site is in, in a static buffer. */
static const char *place(uint64_t from)
{
	static char text[256];
	const char *lane = from < FAULTS_OF_LANE ? "" : "/../../lane/vuswitch-lane";
	char command[256], line[2][120] = {"?", "?"};
	FILE *pipe;

	snprintf(command, sizeof(command), "addr2line -f -s -e $(realpath -m '%s%s') 0x%" PRIx64, getenv("VUSWITCH"), lane,
		 from % FAULTS_OF_LANE - 1);
	pipe = popen(command, "r");
	for (int i = 0; pipe != NULL && i < 2; i++)
		if (fgets(line[i], sizeof(line[i]), pipe) != NULL)
			line[i][strcspn(line[i], " \n")] = '\0';
	if (pipe != NULL)
		pclose(pipe);
	snprintf(text, sizeof(text), "%s() %s", line[0], line[1]);
	return text;
}

static void tell(const struct plan *plan, uint64_t n, const char *what)
{
	printf("%s@%" PRIx64 " call %" PRIu64 " of %" PRIu64 ", %s: %s\n", faults->site[plan->site].name, plan->from, n,
	       plan->calls, place(plan->from), what);
	fflush(stdout);
}

static bool wanted(unsigned int site)
{
	const char *only = getenv("INJECT_ONLY");
	char name[64];

	snprintf(name, sizeof(name), "%s@%" PRIx64, faults->site[site].name, atomic_load(&faults->site[site].from));
	return only == NULL || strcmp(only, name) == 0 || strcmp(only, faults->site[site].name) == 0;
}

/* The sites that were called since `before`, the chosen ones of them. */
static unsigned int make_plan(struct plan *plan, const uint64_t *before)
{
	const char *sites = getenv("INJECT_SITES"), *seed = getenv("INJECT_SEED");
	unsigned int n = 0, keep, kept = 0, from;

	for (unsigned int i = 0; i < FAULT_SITES; i++) {
		uint64_t calls = atomic_load(&faults->site[i].count) - before[i];

		if (calls > 0 && wanted(i))
			plan[n++] = (struct plan){atomic_load(&faults->site[i].from), calls, i};
	}
	keep = sites != NULL ? (unsigned int)strtoul(sites, NULL, 10) : 0;
	if (keep == 0 || keep > n)
		keep = n;
	from = seed != NULL ? (unsigned int)strtoul(seed, NULL, 10) : 0;
	printf("%u sites, %u of them tried, seed %u\n", n, keep, from);
	for (unsigned int i = 0; i < n; i++)
		if ((i + from) * keep / n != (i + from + 1) * keep / n)
			plan[kept++] = plan[i];
	return kept;
}

/* Which call fails in the `turn`-th try at a site; 0: there are no more. */
static uint64_t nth(const struct plan *plan, unsigned int turn)
{
	const char *every = getenv("INJECT_EVERY");
	uint64_t third = plan->calls > 2 ? plan->calls : 0;

	if (every != NULL)
		return turn < plan->calls && turn < MANY ? turn + 1 : 0;
	return turn == 0 ? 1 : turn == 1 ? (plan->calls > 1 ? 2 : 0) : turn == 2 ? third : 0;
}

static void counts(uint64_t *to)
{
	for (unsigned int i = 0; i < FAULT_SITES; i++)
		to[i] = atomic_load(&faults->site[i].count);
}

/* --- the switch runs ----------------------------------------------------------------------------------------------- */

static bool holds_as_before(const struct fg_usage *then, char *text, size_t room)
{
	int64_t deadline = fg_deadline(FG_WAIT_MS);
	struct fg_usage now;

	do {
		if (fg_switch_usage(&fixture.sw, &now) == 0 && now.fds <= then->fds && now.guest_maps <= then->guest_maps &&
		    lanes(NULL) == 0)
			return true;
		fg_sleep_us(5000);
	} while (fg_left_ms(deadline) > 0);
	snprintf(text, room, "BAD: %u descriptors instead of %u, %u mappings instead of %u, %u lanes", now.fds, then->fds,
		 now.guest_maps, then->guest_maps, lanes(NULL));
	return false;
}

/* What came of one call that failed, in `text`; false: not what is promised. */
static bool one_fault(const struct plan *plan, uint64_t n, const struct fg_usage *then, char *text, size_t room)
{
	uint64_t fired;
	int err, victims, again;

	fg_victims_run(&fixture.victims);
	arm(plan->from, atomic_load(&faults->site[plan->site].count) + n);
	err = story();
	disarm();
	fired = atomic_load(&faults->fired);
	if (!fg_switch_alive(&fixture.sw)) {
		snprintf(text, room, "BAD: the switch ended");
		return false;
	}
	again = story();
	victims = fg_victims_pause(&fixture.victims);
	if (victims != 0)
		snprintf(text, room, "BAD: other guests: %s", strerror(-victims));
	else if (err == -ETIMEDOUT)
		snprintf(text, room, "BAD: no answer");
	else if (again != 0)
		snprintf(text, room, "BAD: the next guests: %s", strerror(-again));
	else if (strcmp(faults->site[plan->site].name, "munmap") == 0 && fired != 0)
		snprintf(text, room, "failed, and what was to go stays mapped");
	else if (holds_as_before(then, text, room))
		snprintf(text, room, "%s, %s", fired != 0 ? "failed" : "was not reached",
			 err == 0 ? "no guest noticed" : strerror(-err));
	return strncmp(text, "BAD", 3) != 0;
}

static void start_again(struct fg_usage *then)
{
	fg_switch_show_log(&fixture.sw);
	fg_victims_stop(&fixture.victims);
	fg_switch_stop(&fixture.sw);
	OK(fg_switch_start(&fixture.sw, &fixture.opt));
	OK(fg_victims_start(&fixture.victims, &fixture.sw, "v0", "v1"));
	OK(story());
	fg_sleep_us(200000);
	OK(fg_switch_usage(&fixture.sw, then));
}

/* What comes out badly is tried once more with a new switch: a busy machine can be late for any deadline, but not twice. */
static bool one_fault_or_two(const struct plan *plan, uint64_t n, struct fg_usage *then, unsigned int *fired)
{
	char text[200];
	bool good = false;

	for (int attempt = 0; !good && attempt < 2; attempt++) {
		good = one_fault(plan, n, then, text, sizeof(text));
		tell(plan, n, text);
		*fired += attempt == 0 && atomic_load(&faults->fired) != 0;
		if (!good)
			start_again(then);
	}
	return good;
}

static void calls_of_a_story_fail(const char *name, int (*tell_it)(void))
{
	static struct plan plan[FAULT_SITES];
	static uint64_t before[FAULT_SITES];
	struct fg_usage then;
	unsigned int n, tried = 0, fired = 0, bad = 0;

	story = tell_it;
	fg_victims_pause(&fixture.victims);
	for (int i = 0; i < 3; i++)
		OK(story());
	fg_sleep_us(200000);
	OK(fg_switch_usage(&fixture.sw, &then));
	counts(before);
	OK(story());
	fg_sleep_us(50000);
	n = make_plan(plan, before);
	for (unsigned int i = 0; i < n; i++)
		for (unsigned int turn = 0; nth(&plan[i], turn) != 0; turn++) {
			uint64_t call = nth(&plan[i], turn);

			tried++;
			bad += !one_fault_or_two(&plan[i], call, &then, &fired);
			if (strcmp(faults->site[plan[i].site].name, "munmap") == 0)
				OK(fg_switch_usage(&fixture.sw, &then));
		}
	printf("%s: %u places, %u calls tried, %u failed, %u bad\n", name, n, tried, fired, bad);
	assert_int_equal(bad, 0);
}

static void calls_fail_under_guests(void **state)
{
	calls_of_a_story_fail("guests", story_of_guests);
}

static void calls_fail_under_an_arrival(void **state)
{
	calls_of_a_story_fail("an arrival", story_of_an_arrival);
}

static void calls_fail_under_a_reload(void **state)
{
	calls_of_a_story_fail("a reload", story_of_a_reload);
}

/* --- it starts and ends -------------------------------------------------------------------------------------------- */

/* What helpers say of a switch that does not start is expected here. */
static int silence(void)
{
	int kept = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	dup2(null, STDERR_FILENO);
	close(null);
	return kept;
}

static void speak(int kept)
{
	dup2(kept, STDERR_FILENO);
	close(kept);
}

static bool log_has(const struct fg_switch *sw, const char *word)
{
	FILE *f = fopen(sw->log, "r");
	char line[1024];
	bool found = false;

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		found = found || strstr(line, word) != NULL;
	if (f != NULL)
		fclose(f);
	return found;
}

/* How a start with one call that fails went, and the end. */
static bool one_start(const struct plan *plan, uint64_t n, const struct fg_switch_options *opt, char *text, size_t room)
{
	struct fg_switch sw;
	int started, ended, kept, status = 0;

	memset(faults, 0, sizeof(*faults));
	arm(plan->from, n);
	kept = silence();
	started = fg_switch_start(&sw, opt);
	while (started == 0 && fg_switch_alive(&sw) && !log_has(&sw, " ready: "))
		fg_sleep_us(2000);
	if (started == 0 && fg_switch_alive(&sw)) {
		ended = fg_switch_stop(&sw);
		speak(kept);
		snprintf(text, room, "%s, it %s", atomic_load(&faults->fired) != 0 ? "failed" : "was not reached",
			 ended == 0 ? "runs and ends" : "runs");
		/* Without a descriptor for its folder it leaves its socket, which the next start takes away. */
		if (ended == -EEXIST && strcmp(faults->site[plan->site].name, "open64") == 0)
			ended = 0;
		if (ended != 0)
			snprintf(text, room, "BAD: it ends with %s", strerror(-ended));
		return ended == 0;
	}
	speak(kept);
	if (fg_switch_alive(&sw)) {
		snprintf(text, room, "BAD: it neither starts nor ends");
	} else {
		waitpid(sw.pid, &status, WNOHANG);
		if (!WIFEXITED(status) || WEXITSTATUS(status) == 0 || log_has(&sw, "Sanitizer") || log_has(&sw, "runtime error"))
			snprintf(text, room, "BAD: wait status %#x", (unsigned int)status);
		else if (!log_has(&sw, "vuswitch: ") && !log_has(&sw, "EAL: "))
			snprintf(text, room, "BAD: it ended without a word");
		else
			snprintf(text, room, "failed, it says so and ends");
	}
	if (strncmp(text, "BAD", 3) == 0)
		fg_switch_show_log(&sw);
	kept = silence();
	fg_switch_stop(&sw);
	speak(kept);
	return strncmp(text, "BAD", 3) != 0;
}

static void calls_that_fail_as_it_starts_and_ends(void **state)
{
	static struct plan plan[FAULT_SITES];
	static uint64_t before[FAULT_SITES];
	static char name[FAULT_SITES][FAULT_NAME];
	static const char *const ports[] = {"h0", "h1,mode=client", NULL};
	const struct fg_switch_options opt = {.ports = ports};
	struct fg_switch sw;
	unsigned int n, tried = 0, wrong = 0;
	char text[200];

	memset(faults, 0, sizeof(*faults));
	OK(fg_switch_start(&sw, &opt));
	OK(fg_switch_stop(&sw));
	n = make_plan(plan, before);
	for (unsigned int i = 0; i < FAULT_SITES; i++)
		memcpy(name[i], faults->site[i].name, FAULT_NAME);
	for (unsigned int i = 0; i < n; i++)
		for (unsigned int turn = 0; nth(&plan[i], turn) != 0; turn++) {
			uint64_t call = nth(&plan[i], turn);
			bool good = one_start(&plan[i], call, &opt, text, sizeof(text));

			memcpy(faults->site[plan[i].site].name, name[plan[i].site], FAULT_NAME);
			tell(&plan[i], call, text);
			tried++;
			wrong += !good;
		}
	printf("as it starts and ends: %u places, %u calls tried, %u bad\n", n, tried, wrong);
	assert_int_equal(wrong, 0);
}

static const struct {
	const char *word;
	struct CMUnitTest test;
} told[] = {
	{"guests", cmocka_unit_test(calls_fail_under_guests)},
	{"arrival", cmocka_unit_test(calls_fail_under_an_arrival)},
	{"reload", cmocka_unit_test(calls_fail_under_a_reload)},
};

static int run_stories(const char *word)
{
	static const char *const ports[] = {"v0", "v1", "h0,queues=4,postcopy=on", "h1", NULL};
	const char *file = stories_begin(), *const args[] = {"--config", file, "--last-good", stories_kept(), NULL};
	const struct fg_switch_options opt = {.ports = ports, .args = args};
	struct CMUnitTest cases[sizeof(told) / sizeof(told[0])];
	size_t n = 0;
	int failed = 1;

	for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++)
		if (word == NULL || strcmp(word, told[i].word) == 0)
			cases[n++] = told[i].test;
	fixture.with_victims = true;
	if (file != NULL && n > 0)
		failed = fixture_main_on(&opt, "stories", cases, n);
	stories_end();
	return failed;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest starts[] = {
		cmocka_unit_test(calls_that_fail_as_it_starts_and_ends),
	};
	const char *word = argc > 1 ? argv[1] : NULL;
	char path[] = "/tmp/vus-faults-XXXXXX";
	int fd = mkstemp(path), failed = 0;

	if (fd < 0 || ftruncate(fd, sizeof(*faults)) < 0)
		return 2;
	faults = mmap(NULL, sizeof(*faults), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (faults == MAP_FAILED)
		return 2;
	setenv("VUSWITCH_FAULTS", path, 1);
	if (word == NULL || strcmp(word, "starts") != 0)
		failed = run_stories(word);
	if (word == NULL || strcmp(word, "starts") == 0)
		failed += cmocka_run_group_tests_name("as it starts and ends", starts, NULL, NULL);
	unlink(path);
	return failed;
}
