/* SPDX-License-Identifier: BSD-3-Clause */
/* metrics_server_test.c: what is given is read, by many at once; control that is late, and an end
 * in the middle of it. */
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "cases.h"
#include "clock.h"
#include "metrics_server.h"

enum { READERS = 6, ROUNDS = 30, LIMIT_S = 50 };

static const struct metrics_row rows[] = {
	{.name = "t_n", .type = METRICS_GAUGE, .help = "a number"}};
static const struct metrics_kind kind = {.title = "Numbers", METRICS_ROWS(rows)};

/* Of the test, which is control. */
struct rig {
	char folder[32], path[64];
	struct metrics_server *server;
	atomic_uint asked;
	unsigned int given;
	atomic_uint reading;   /* readers that have not finished */
	atomic_uint status[6]; /* of replies, by their hundreds */
};

static void was_asked(void *arg)
{
	struct rig *rig = arg;

	atomic_fetch_add(&rig->asked, 1);
}

static void start(struct rig *rig)
{
	struct metrics_server_options options = {.path = rig->path, .ask = was_asked, .arg = rig};
	struct fail fail;

	role_assert_control();
	*rig = (struct rig){.folder = "/tmp/metrics-XXXXXX"};
	assert_non_null(mkdtemp(rig->folder));
	snprintf(rig->path, sizeof(rig->path), "%s/socket", rig->folder);
	OK(sched_getaffinity(0, sizeof(options.cpus), &options.cpus));
	OK(metrics_server_create(&options, &rig->server, &fail));
}

static void end(struct rig *rig)
{
	role_assert_control();
	metrics_server_end(rig->server);
	assert_int_not_equal(access(rig->path, F_OK), 0);
	OK(rmdir(rig->folder));
}

/* Gives what was asked for. */
static void give(struct rig *rig, uint64_t cost_ns)
{
	const struct metrics_kind *kinds[] = {&kind};

	role_assert_control();
	while (rig->given < atomic_load(&rig->asked)) {
		struct metrics_set *set = metrics_set_create(kinds, 1);

		assert_non_null(set);
		metrics_set_add(set, &kind, NULL, (const uint64_t[]){++rig->given});
		metrics_server_give(rig->server, set, cost_ns);
	}
}

static int reader_connect(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, path);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* The status of the reply, and what t_n is in it; 0: hung up on. */
static unsigned int ask(const char *path, unsigned int *number)
{
	static const char request[] =
		"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
	int fd = reader_connect(path);
	char reply[4096], *at;
	size_t n = 0;
	ssize_t got;

	if (fd < 0)
		return 0;
	if (send(fd, request, strlen(request), MSG_NOSIGNAL) < 0)
		n = 0;
	while ((got = recv(fd, reply + n, sizeof(reply) - 1 - n, 0)) > 0)
		n += (size_t)got;
	close(fd);
	reply[n] = '\0';
	at = strstr(reply, "\nt_n ");
	*number = at != NULL ? (unsigned int)strtoul(at + 5, NULL, 10) : 0;
	return strncmp(reply, "HTTP/1.1 ", 9) == 0 ? (unsigned int)strtoul(reply + 9, NULL, 10) : 0;
}

static void *read_again_and_again(void *arg)
{
	struct rig *rig = arg;
	unsigned int number, last = 0;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		unsigned int status = ask(rig->path, &number);

		/* Never an older one than before. */
		if (status == 200 && number < last)
			status = 100;
		last = status == 200 ? number : last;
		atomic_fetch_add(&rig->status[status / 100], 1);
	}
	atomic_fetch_sub(&rig->reading, 1);
	return NULL;
}

static void start_readers(struct rig *rig, pthread_t *thread)
{
	atomic_store(&rig->reading, READERS);
	for (unsigned int i = 0; i < READERS; i++)
		OK(pthread_create(&thread[i], NULL, read_again_and_again, rig));
}

static void join_readers(pthread_t *thread)
{
	for (unsigned int i = 0; i < READERS; i++)
		OK(pthread_join(thread[i], NULL));
}

static void many_read_what_is_given(void **state)
{
	pthread_t thread[READERS];
	struct rig rig;

	start(&rig);
	start_readers(&rig, thread);
	while (atomic_load(&rig.reading) > 0) {
		give(&rig, 0);
		usleep(100);
	}
	join_readers(thread);
	/* Those that it has no place for it may hang up on. */
	assert_true(atomic_load(&rig.status[2]) > 0);
	assert_int_equal(atomic_load(&rig.status[2]) + atomic_load(&rig.status[0]),
			 READERS * ROUNDS);
	assert_true(atomic_load(&rig.asked) < READERS * ROUNDS);
	end(&rig);
}

static void what_costs_control_much_is_kept_for_long(void **state)
{
	unsigned int number = 0;
	pthread_t thread[READERS];
	struct rig rig;

	start(&rig);
	start_readers(&rig, thread);
	while (atomic_load(&rig.reading) > 0) {
		give(&rig, 10 * NS_PER_S);
		usleep(100);
	}
	join_readers(thread);
	assert_int_equal(rig.given, 1);
	assert_int_equal(ask(rig.path, &number), 200);
	assert_int_equal(number, 1);
	end(&rig);
}

static void control_that_is_late_is_not_waited_for(void **state)
{
	uint64_t begin_ns = clock_ns();
	unsigned int number;
	struct rig rig;

	start(&rig);
	assert_int_equal(ask(rig.path, &number), 503);
	assert_true(clock_ns() - begin_ns >= METRICS_ANSWER_MS * NS_PER_MS);
	/* It is not asked again while it has not answered. */
	assert_int_equal(ask(rig.path, &number), 503);
	assert_int_equal(atomic_load(&rig.asked), 1);
	give(&rig, 0);
	/* What came too late is not given: it asks anew. */
	assert_int_equal(ask(rig.path, &number), 503);
	assert_int_equal(atomic_load(&rig.asked), 2);
	end(&rig);
}

static void it_ends_in_the_middle_of_it(void **state)
{
	for (unsigned int i = 0; i < 20; i++) {
		pthread_t thread[READERS];
		struct rig rig;

		start(&rig);
		start_readers(&rig, thread);
		for (unsigned int j = 0; j < i; j++) {
			give(&rig, 0);
			usleep(500);
		}
		end(&rig);
		join_readers(thread);
	}
}

static void one_at_an_address_in_use_is_none(void **state)
{
	struct metrics_server_options options = {.ask = was_asked};
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int taken = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(address);
	struct metrics_server *server;
	struct fail fail;
	char text[16];

	role_assert_control();
	OK(bind(taken, (struct sockaddr *)&address, sizeof(address)));
	OK(listen(taken, 1));
	OK(getsockname(taken, (struct sockaddr *)&address, &len));
	snprintf(text, sizeof(text), "%u", ntohs(address.sin_port));
	options.listen = text;
	OK(sched_getaffinity(0, sizeof(options.cpus), &options.cpus));
	assert_true(metrics_server_create(&options, &server, &fail) < 0);
	assert_non_null(strstr(fail.text, text));
	close(taken);
	/* And is free again, also at once after one that has ended. */
	for (unsigned int i = 0; i < 3; i++) {
		OK(metrics_server_create(&options, &server, &fail));
		metrics_server_end(server);
	}
}

static bool is_there(const char *folder, const char *name)
{
	char path[128];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return lstat(path, &st) == 0;
}

/* Its path leads through a link, which leads elsewhere later: its file is in the folder of the beginning, and so is what ends
 * it. */
static void its_folder_is_looked_up_once(void **state)
{
	char top[] = "/tmp/vus-metrics-XXXXXX", one[64], other[64], link[64], path[80];
	struct metrics_server_options options = {.ask = was_asked, .path = path};
	struct metrics_server *server;
	struct fail fail;

	role_assert_control();
	assert_non_null(mkdtemp(top));
	snprintf(one, sizeof(one), "%s/one", top);
	snprintf(other, sizeof(other), "%s/other", top);
	snprintf(link, sizeof(link), "%s/link", top);
	snprintf(path, sizeof(path), "%s/m.sock", link);
	OK(mkdir(one, 0700));
	OK(mkdir(other, 0700));
	OK(symlink("one", link));
	OK(sched_getaffinity(0, sizeof(options.cpus), &options.cpus));
	options.rights = (struct rights){.given = {[RIGHTS_MODE] = true}, .mode = 0640};
	OK(metrics_server_create(&options, &server, &fail));
	assert_true(is_there(one, "m.sock"));
	OK(unlink(link));
	OK(symlink("other", link));
	metrics_server_end(server);
	assert_false(is_there(one, "m.sock"));
	/* A link in the place of the file is in the way. */
	OK(symlink("/nowhere", path));
	assert_int_equal(metrics_server_create(&options, &server, &fail), -EEXIST);
	OK(unlink(path));
	OK(unlink(link));
	OK(rmdir(one));
	OK(rmdir(other));
	OK(rmdir(top));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_read_what_is_given),
		cmocka_unit_test(what_costs_control_much_is_kept_for_long),
		cmocka_unit_test(control_that_is_late_is_not_waited_for),
		cmocka_unit_test(it_ends_in_the_middle_of_it),
		cmocka_unit_test(one_at_an_address_in_use_is_none),
		cmocka_unit_test(its_folder_is_looked_up_once),
	};

	alarm(LIMIT_S);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
