/* SPDX-License-Identifier: BSD-3-Clause */
/* A client of the control socket that sends any bytes, or the words that requests are made of, in any cuts and with
 * descriptors: every line is answered by one line with a JSON object, in turn; one that is no request by an error; one
 * that does not end, or comes with a descriptor, by the end of the conversation; and then of the client nothing is left, no
 * descriptor it sent either. A conversation goes on from input to input until that end: a socket for each would be slow.
 */
#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "ctl_socket.h"
#include "eal.h"
#include "fake_port.h"
#include "lcore.h"
#include "log.h"
#include "rcu.h"
#include "switch.h"

enum { REQUEST_MAX = 1024, TEXT_MAX = 1536, LINES_MAX = 4, REPLY_MAX = 1 << 20, GONE_MS = 10000, STILL_TURNS = 64 };

static const struct port_driver *const drivers[] = {&fake_driver, NULL};
static char path[64];
static struct loop *loop;
static int null_fd, client;
static struct doorbell bell;
static struct vus_switch *sw;
static struct ctl_socket *ctl;
static char text[TEXT_MAX + 128];
static char reply[REPLY_MAX];
static size_t reply_len;
static unsigned int lines_heard; /* in it */

static const char *const words[] = {
	"{\"command\":\"ports\"}\n", "{\"command\":\"port\",\"name\":\"a\"}\n", "{\"command\":\"macs\"}\n",
	"{\"command\":\"bridges\"}\n", "{\"command\":\"lcores\",\"reset\":true}\n", "{\"command\":\"lcore\",\"lcore\":1}\n",
	"{\"command\":\"rebalance\"}\n", "{\"command\":\"version\"}\n", "{\"command\":\"config\"}\n", "{\"command\":", "\"port\"",
	"\"macs\"", "\"lcore\"", ",\"name\":", "\"a\"", "\"b\"", "\"none\"", ",\"bridge\":", "\"br0\"", "\"lan\"", ",\"first\":",
	",\"limit\":", "0", "1", "-1", "3", "9223372036854775807", "1e9", "null", "true", "[", "]", "{", "}",
	"}\n", "\n", "\"", "\\u0000",
	"\\ud800", "\xff", "\xc3\xa9", ",", ":", ",\"reset\":", "\r", " ", "\"command\"",
	"\"zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz\"",
	"{\"command\":\"macs\",\"bridge\":\"br0\",\"first\":1,\"limit\":2}\n", "{\"command\":\"\xc3\xa9\"}\n",
};

/* Most of the time goes to allocations: of one that is lost, ASAN_OPTIONS=malloc_context_size=30 tells more. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "malloc_context_size=2";
}

/* --- a client ---------------------------------------------------------------------------------------------------- */

static size_t make_text(struct fuzz *in)
{
	bool raw = fuzz_chance(in, 64);
	unsigned int lines = 0;
	size_t n = 0;

	while (in->left > 0 && n < TEXT_MAX && lines < LINES_MAX) {
		size_t begin = n;
		uint8_t byte = fuzz_uint8(in);
		const char *word = words[byte % (sizeof(words) / sizeof(words[0]))];

		if (raw || byte >= 248)
			text[n++] = (char)(raw ? byte : fuzz_uint8(in));
		else
			for (unsigned int times = byte >= 244 ? 1u + fuzz_uint8(in) % 12 : 1; times > 0 && n < TEXT_MAX; times--)
				n += (size_t)snprintf(text + n, 128, "%s", word);
		while (begin < n)
			lines += text[begin++] == '\n';
	}
	return n < TEXT_MAX ? n : TEXT_MAX;
}

static void connect_client(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	client = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	FUZZ_CHECK(client >= 0 && connect(client, (struct sockaddr *)&address, sizeof(address)) == 0);
}

/* Returns: how many bytes went; -1: the other side has hung up. */
static ssize_t send_part(const char *part, size_t len, bool with_fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} room = {.bytes = {0}};
	struct iovec vec = {.iov_base = (void *)(uintptr_t)part, .iov_len = len};
	struct msghdr message = {.msg_iov = &vec, .msg_iovlen = 1};

	if (with_fd) {
		message.msg_control = room.bytes;
		message.msg_controllen = sizeof(room.bytes);
		room.align = (struct cmsghdr){
			.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
		memcpy(CMSG_DATA(&room.align), &null_fd, sizeof(null_fd));
	}
	return sendmsg(client, &message, MSG_NOSIGNAL);
}

/* False: the end. */
static bool hear(void)
{
	ssize_t n = recv(client, reply + reply_len, REPLY_MAX - 1 - reply_len, 0);

	for (ssize_t i = 0; i < n; i++)
		lines_heard += reply[reply_len++] == '\n';
	return n > 0 || (n < 0 && errno == EAGAIN);
}

/* --- what holds -------------------------------------------------------------------------------------------------- */

/* What is to come of the text, of which the bytes from `fd_at` on come with a descriptor. */
static struct outcome {
	unsigned int lines; /* that are answered */
	bool cut;	    /* and then the client is hung up on */
} model(size_t len, size_t fd_at)
{
	struct outcome outcome = {0};
	size_t begin = 0;

	for (size_t i = 0; i < len && !outcome.cut; i++) {
		if (text[i] == '\n') {
			outcome.lines++;
			begin = i + 1;
		}
		outcome.cut = i + 1 - begin == REQUEST_MAX || i == fd_at;
	}
	return outcome;
}

/* What a reply says at its outermost level. */
struct scan {
	const char *at, *end;
	unsigned int depth;
	bool error, time;
};

static bool scan_is(struct scan *scan, char c)
{
	bool is = scan->at < scan->end && *scan->at == c;

	scan->at += is;
	return is;
}

/* Characters that are printed, and no other. */
static size_t scan_text(struct scan *scan)
{
	const char *begin = scan->at;

	FUZZ_CHECK(scan_is(scan, '"'));
	while (!scan_is(scan, '"')) {
		FUZZ_CHECK(scan->at < scan->end && *scan->at >= 0x20 && *scan->at < 0x7f);
		scan->at += 1 + (*scan->at == '\\');
	}
	return (size_t)(scan->at - begin);
}

static void scan_value(struct scan *scan);

static void scan_member(struct scan *scan)
{
	const char *key = scan->at;
	size_t len = scan_text(scan);

	FUZZ_CHECK(scan_is(scan, ':'));
	if (scan->depth == 1 && len == 7 && memcmp(key, "\"error\"", 7) == 0)
		scan->error = scan->at < scan->end && *scan->at == '"';
	if (scan->depth == 1 && len == 9 && memcmp(key, "\"time_ns\"", 9) == 0)
		scan->time = scan->at < scan->end && *scan->at > '0' && *scan->at <= '9';
	scan_value(scan);
}

static void scan_value(struct scan *scan)
{
	bool map = scan->at < scan->end && *scan->at == '{';
	char close = map ? '}' : ']';

	if (scan->at < scan->end && *scan->at == '"') {
		scan_text(scan);
		return;
	}
	if (!map && (scan->at == scan->end || *scan->at != '[')) {
		size_t len = strspn(scan->at, "0123456789-+.eaflnrstu");

		FUZZ_CHECK(len > 0);
		scan->at += len;
		return;
	}
	scan->at++;
	FUZZ_CHECK(++scan->depth < 16);
	for (bool first = true; !scan_is(scan, close); first = false) {
		FUZZ_CHECK(first || scan_is(scan, ','));
		map ? scan_member(scan) : scan_value(scan);
	}
	scan->depth--;
}

static void check_reply(const char *line, size_t line_len, const char *answer, size_t answer_len)
{
	struct scan scan = {.at = answer, .end = answer + answer_len};
	json_t *request = json_loadb(line, line_len, JSON_REJECT_DUPLICATES, NULL);

	FUZZ_CHECK(*answer == '{');
	scan_value(&scan);
	FUZZ_CHECK(scan.at == scan.end && (scan.error || scan.time));
	FUZZ_CHECK(scan.error || json_is_string(json_object_get(request, "command")));
	json_decref(request);
}

static void check_replies(unsigned int lines)
{
	const char *line = text, *answer = reply;

	for (unsigned int i = 0; i < lines; i++) {
		const char *line_end = memchr(line, '\n', sizeof(text) - (size_t)(line - text));
		const char *end = memchr(answer, '\n', (size_t)(reply + reply_len - answer));

		FUZZ_CHECK(line_end != NULL && end != NULL);
		check_reply(line, (size_t)(line_end - line), answer, (size_t)(end - answer));
		line = line_end + 1;
		answer = end + 1;
	}
	FUZZ_CHECK(answer == reply + reply_len);
}

/* The lowest descriptor that is free: what is left open moves it, sooner or later. */
static int free_fd(void)
{
	int fd = dup(0);

	if (fd >= 0)
		close(fd);
	return fd;
}

/* Waits a little where another thread has to close something. */
static void turn(unsigned int idle) RUNS_ON(control_thread)
{
	loop_turn(loop, 0);
	if (idle > 4)
		usleep(idle < 20 ? 20 : 1000);
}

/* The switch closes its end on another thread: nothing is left of the client, or of what it sent, when that is done. */
static void check_gone(void) RUNS_ON(control_thread)
{
	int fd = client;

	FUZZ_CHECK(close(client) == 0);
	for (unsigned int idle = 0; free_fd() != fd; idle++) {
		FUZZ_CHECK(idle < GONE_MS);
		turn(idle);
	}
	connect_client();
	loop_turn(loop, 0);
	FUZZ_CHECK(client == fd);
}

/* --- an input ---------------------------------------------------------------------------------------------------- */

void fuzz_begin(void)
{
	static const char words_of_config[] =
		"{\"bridges\": [{\"name\": \"br0\", \"mac-table-size\": 64}, {\"name\": \"lan\", \"mac-table-size\": 64}],"
		" \"ports\": [{\"name\": \"a\", \"type\": \"vhost-user\", \"socket\": \"/a\"},"
		" {\"name\": \"b\", \"type\": \"vhost-user\", \"socket\": \"/b\", \"bridge\": \"lan\"},"
		" {\"name\": \"c\", \"type\": \"vhost-user\", \"socket\": \"/c\", \"queues\": 2}]}";
	json_t *json = json_loads(words_of_config, 0, NULL);
	char folder[] = "/tmp/fuzz_control_XXXXXX";
	struct config config = {.drivers = drivers};
	struct fail fail;
	int fd;

	role_assert_control();
	null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	log_set_level(LOG_ERROR);
	FUZZ_CHECK(eal_start("0@0,1@0", NULL) == 0 && doorbell_init(&bell) == 0 && lcores_create(false, &bell, &fail) == 0);
	loop = loop_create();
	snprintf(path, sizeof(path), "%s/control.sock", mkdtemp(folder));
	FUZZ_CHECK(config_read_json(&config, "json", json, &fail) == 0);
	json_decref(json);
	FUZZ_CHECK(config_check(&config, &fail) == 0 && switch_create(loop, drivers, &bell, &sw, &fail) == 0);
	FUZZ_CHECK(switch_apply(sw, &config) == 0 && ctl_socket_create(loop, path, sw, &ctl, &fail) == 0);
	/* Nothing is left behind, however this ends: the file stays for who has it open. */
	fd = open(path, O_PATH | O_CLOEXEC);
	FUZZ_CHECK(fd >= 0 && unlink(path) == 0 && rmdir(folder) == 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	for (uint64_t i = 0; i < 20; i++)
		bridge_learn(switch_bridge_at(sw, 0), 2 | i << 40, 1);
	connect_client();
	loop_turn(loop, 0);
}

/* Says the text, in parts, and hears what comes. True: until the switch hung up. */
static bool talk(size_t len, size_t part, size_t fd_at, const struct outcome *expected)
	RUNS_ON(control_thread)
{
	size_t at = 0;

	for (unsigned int idle = 0; idle < (expected->cut ? GONE_MS : STILL_TURNS); idle++) {
		size_t n = len - at < part ? len - at : part, heard = reply_len;
		ssize_t sent;

		/* A part ends where one with a descriptor begins. */
		if (at < fd_at && n > fd_at - at)
			n = fd_at - at;
		sent = n > 0 ? send_part(text + at, n, at == fd_at) : 0;
		at += sent > 0 ? (size_t)sent : 0;
		turn(idle);
		if (!hear())
			return true;
		if (at == len && !expected->cut && lines_heard == expected->lines)
			return false;
		if (sent > 0 || reply_len > heard)
			idle = 0;
	}
	return false;
}

void fuzz_input(struct fuzz *in)
{
	size_t fd_at = fuzz_chance(in, 16) ? fuzz_uint8(in) * 4u : SIZE_MAX, len;
	size_t part = fuzz_chance(in, 96) ? 8 + fuzz_uint8(in) * 2u : TEXT_MAX;
	struct outcome expected;
	bool hung_up;

	role_assert_control();
	len = make_text(in);
	/* The conversation goes on with the next input: a line that has begun ends. */
	text[len++] = '\n';
	expected = model(len, fd_at);
	reply_len = lines_heard = 0;
	hung_up = talk(len, part, fd_at, &expected);
	FUZZ_CHECK(hung_up == expected.cut);
	/* Who is hung up on while bytes of it are unread may lose the last replies. */
	if (hung_up) {
		check_gone();
		return;
	}
	FUZZ_CHECK(lines_heard == expected.lines);
	check_replies(expected.lines);
}
