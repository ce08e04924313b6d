/* SPDX-License-Identifier: BSD-3-Clause */
/* Isolated ports, from the option to the counter: two of a bridge do not reach each other, in whatever way a frame goes; with
 * a port that is not isolated both talk.
 */
#include "account.h"

static const char *const ports[] = {
	"a,isolated=on", "b,isolated=on", "c", "d,bridge=br1,isolated=on", "e,bridge=br1,isolated=on", NULL,
};
static const struct fg_switch_options isolated_fixture = {.ports = ports};

static void a_known_address_is_not_reached(void **state)
{
	struct guest *a = guest_run("a", NULL), *b = guest_run("b", NULL), *c = guest_run("c", NULL);
	struct account a0, b0;

	settle(a, c);
	settle(b, c);
	read_account("a", &a0);
	read_account("b", &b0);
	send_raw(a, b->nic.mac, a->nic.mac, 7, 100);
	expect_account("a", &a0, &(struct account){.rx_drop[RX_DROP_ISOLATED] = 7});
	expect_account("b", &b0, &(struct account){0});
	assert_silence(b);
	assert_silence(c);
}

static void a_flood_reaches_the_others_only(void **state)
{
	static const uint8_t unknown_mac[6] = {2, 0, 0, 0, 0, 0x77};
	struct guest *a = guest_run("a", NULL), *b = guest_run("b", NULL), *c = guest_run("c", NULL);
	struct account a0, b0, c0;
	uint8_t got[2048];

	read_account("a", &a0);
	read_account("b", &b0);
	read_account("c", &c0);
	send_raw(a, everybody, a->nic.mac, 5, 300);
	send_raw(a, unknown_mac, a->nic.mac, 6, 300);
	expect_account("a", &a0, &(struct account){.rx_ok = 11});
	expect_account("b", &b0, &(struct account){0});
	expect_account("c", &c0, &(struct account){.tx_ok = 11});
	for (unsigned int i = 0; i < 11; i++)
		assert_int_equal(fg_nic_recv(&c->nic, got, sizeof(got), FG_WAIT_MS), 300);
	assert_silence(b);
	/* What the other one sends reaches both. */
	read_account("c", &c0);
	send_raw(c, everybody, c->nic.mac, 3, 300);
	expect_account("c", &c0, &(struct account){.rx_ok = 3, .copies = 3});
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(fg_nic_recv(&a->nic, got, sizeof(got), FG_WAIT_MS), 300);
		assert_int_equal(fg_nic_recv(&b->nic, got, sizeof(got), FG_WAIT_MS), 300);
	}
}

static void both_talk_with_one_that_is_not(void **state)
{
	struct guest *a = guest_run("a", NULL), *b = guest_run("b", NULL), *c = guest_run("c", NULL);

	settle(a, c);
	settle(b, c);
	settle(c, a);
	assert_traffic(a, c, 20, 1500);
	assert_traffic(c, a, 20, 1500);
	assert_traffic(b, c, 20, 1500);
	assert_traffic(c, b, 20, 1500);
	assert_silence(a);
	assert_silence(b);
	assert_silence(c);
}

static void a_flood_that_reaches_no_port(void **state)
{
	struct guest *d = guest_run("d", NULL), *e = guest_run("e", NULL);
	struct account d0, e0;

	read_account("d", &d0);
	read_account("e", &e0);
	send_raw(d, everybody, d->nic.mac, 7, 100);
	expect_account("d", &d0, &(struct account){.rx_drop[RX_DROP_ISOLATED] = 7});
	expect_account("e", &e0, &(struct account){0});
	assert_silence(e);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		TEST_CASE(a_known_address_is_not_reached),
		TEST_CASE(a_flood_reaches_the_others_only),
		TEST_CASE(both_talk_with_one_that_is_not),
		TEST_CASE(a_flood_that_reaches_no_port),
	};

	return fixture_main_on(&isolated_fixture, "isolated", CASES(cases));
}
