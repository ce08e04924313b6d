/* SPDX-License-Identifier: BSD-3-Clause */
/* fixture: what the protocol tests have in common.
 *
 * One switch with four ports on one bridge serves a whole program. v0 and v1 belong to the victims,
 * who talk during every test case; h0 and h1 are for the test case. When it is over, fixture_check()
 * holds the switch to one rule (docs/rules.md): the victims have lost nothing, the control socket
 * answers at once, descriptors and mapped memory are back to what they were, and two new guests on
 * h0 and h1 can talk.
 *
 * A test case opens its guests with guest_open(), and need not close them: fixture_check() does.
 * fixture_main() runs the test cases of a program, never for longer than FIXTURE_LIMIT_S, or
 * $FIXTURE_LIMIT_S.
 */
#ifndef FIXTURE_H
#define FIXTURE_H

#include <stdbool.h>

#include "cases.h"
#include "fg_clock.h"
#include "fg_cpu.h"
#include "fg_net.h"
#include "fg_session.h"
#include "fg_socket.h"
#include "fg_switch.h"
#include "fg_victims.h"

#if defined(__SANITIZE_ADDRESS__)
enum { FIXTURE_LIMIT_S = 510 };
#else
enum { FIXTURE_LIMIT_S = 170 };
#endif
enum { QUIET_MS = 200, GUESTS = 16, GUEST_MEMORY = 16 << 20 };
#define GUEST_GPA (1ull << 30)

/* A virtual machine: memory, front end, driver. */
struct guest {
	struct fg_memory mem;
	struct fg_session s;
	struct fg_nic nic;
	bool open;
	char port[16];
};

struct fixture {
	struct fg_switch sw;
	struct fg_switch_options opt;
	bool with_victims;
	struct fg_victims victims;
	uint64_t quiet_us, quiet_own_us; /* their longest gap while nobody attacked; without waiting for a CPU */
	struct fg_usage before;
	struct guest guest[GUESTS];
};

extern struct fixture fixture;

/* What the switch made of a request. */
enum verdict {
	V_OK,	   /* acknowledged with 0, or answered as asked */
	V_REFUSED, /* acknowledged with something else */
	V_CLOSED,  /* hung up */
	V_SILENT,  /* neither within FG_WAIT_MS */
};

#define TEST_CASE(f) cmocka_unit_test_setup_teardown(f, fixture_open, fixture_check)

int fixture_open(void **state);
int fixture_check(void **state);
int fixture_main(const char *name, const struct CMUnitTest *cases, size_t n);
/* The same with other options: other ports, no victims, and a check that only looks
 * whether anything is kept. */
int fixture_main_on(const struct fg_switch_options *, const char *name,
		  const struct CMUnitTest *cases, size_t n);
/* The same with a configuration file of this text beside what the options say. */
int fixture_main_with_file(const char *text, const struct fg_switch_options *, const char *name, const struct CMUnitTest *cases,
			   size_t n);

/* A VM on @port: memory of one region, connected and negotiated. Never fails: asserts. */
struct guest *guest_open(const char *port, const struct fg_options *);
/* On a connection that came to us: the switch as a client. */
struct guest *guest_open_on(int sock, const struct fg_options *);
/* The same with @regions regions of 4 MiB, their addresses apart; the rings lie in the first. */
struct guest *guest_open_regions(const char *port, const struct fg_options *, unsigned int regions);
/* The rings run and the receive buffers are posted. */
void guest_start(struct guest *, const struct fg_nic_options *);
/* open and start */
struct guest *guest_run(const char *port, const struct fg_options *);
void guest_close(struct guest *);
/* Stops the rings and starts them anew, empty; the connection and its memory stay. */
void guest_restart(struct guest *);
/* The guest's memory without a connection, for test cases that do that part themselves or add to it first. */
struct guest *guest_idle(void);
/* No memory either; and the connection, once there is a region for the rings. */
struct guest *guest_blank(void);
void guest_connect(struct guest *, const char *port, const struct fg_options *);

/* @n frames of @len bytes from a to b arrive whole and in order. */
void assert_traffic(struct guest *a, struct guest *b, unsigned int n, size_t len);

/* Waits until the switch knows where @g lives (it sends a frame to @peer): from then on frames to
 * it are not flooded to everybody, victims included. */
void settle(struct guest *g, struct guest *peer);
/* The waiting alone, and the question. */
void await_known(const struct guest *g);
bool is_known(const struct guest *g);
/* A front end is connected to @port, as the switch says. */
bool is_connected(const char *port);

/* Lines of the switch's log that contain @words; of another switch's. */
unsigned int log_lines(const char *words);
unsigned int log_lines_of(const struct fg_switch *, const char *words);

/* What became of a chain that no driver should post. */
enum outcome {
	F_BROKEN,   /* the ring is broken, and the error eventfd says so */
	F_RETURNED, /* the buffer came back */
	F_STUCK,    /* neither */
};
enum outcome outcome_of(struct fg_ring *);

/* Nothing arrives at @g. */
void assert_silence(struct guest *g);

/* Why the switch has refused something of the port last, or ended its conversation: it says these words. */
void assert_last_error(const char *port, const char *words);

/* Sends @m (flags and all as they are, NEED_REPLY added if @ask) and reports what came back. */
enum verdict verdict_of(struct fg_session *, struct fg_msg *m, const int *fds, unsigned int n_fds);
enum verdict verdict_of_u64(struct fg_session *, uint32_t request, uint64_t value);
enum verdict verdict_of_state(struct fg_session *, uint32_t request, uint32_t index, uint32_t num);
/* Refused or hung up: the two ways to say no. */
void assert_no(enum verdict, const char *what);
void assert_yes(enum verdict, const char *what);

/* The control socket does what this line asks for. */
void ask_ok(const char *line);
/* "add" or "set" of a port, with these options of it behind its name: ", \"access\": 20". */
void ask_port_ok(const char *what, const char *port, const char *options);

/* How long answers of the control socket took at most: by the clock, and without what its thread and we waited for a CPU, which
 * is the same however many want one. */
struct answers {
	double slowest_ms, own_ms;
};
/* Asks it once more. */
void ask_control(const struct fg_switch *, struct answers *);
/* The control socket answers within ANSWER_MS, for as long as that, beside the wait for a CPU. A call of the control thread that
 * a peer holds up lasts longer. */
enum { ANSWER_MS = 1000 };
void assert_control_keeps_answering(const struct fg_switch *, unsigned int watched_ms);

/* Their longest gap, and that of a quiet time before. */
void tell_gaps(const struct fg_victims *, uint64_t quiet_us, uint64_t quiet_own_us);

/* The switch has as many descriptors and guest mappings as when the test case began. */
void assert_nothing_held(void);
/* ... as it held then, give or take what may be @fewer descriptors; RSS within a mebibyte. */
void assert_held_as(const struct fg_usage *then, unsigned int fewer);

#endif
