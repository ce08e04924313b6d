/* SPDX-License-Identifier: BSD-3-Clause */
#include "account.h"

#include <string.h>

static int64_t number(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	if (!json_is_integer(value))
		fail_msg("no counter \"%s\"", key);
	return json_integer_value(value);
}

static size_t rows_of(const struct port_counter_group *group)
{
	size_t n = 0;

	for (int i = 0; i < PORT_COUNTERS; i++)
		n += port_counter_table[i].group == group;
	return n;
}

void read_account(const char *port, struct account *a)
{
	json_t *answer = fg_switch_query(&fixture.sw, "port", port);
	const json_t *at = json_object_get(answer, "port");

	assert_non_null(at);
	for (int i = 0; i < PORT_COUNTERS; i++) {
		const struct port_counter *row = &port_counter_table[i];

		const json_t *in = row->group != NULL ? json_object_get(at, row->group->name) : at;

		a->value[i] = number(in, row->name);
		/* A reason that is in no row would be one for which things can be lost. */
		if (row->group != NULL)
			assert_int_equal(json_object_size(in), rows_of(row->group));
	}
	json_decref(answer);
}

struct account since(const char *port, const struct account *before)
{
	struct account a;

	read_account(port, &a);
	for (int i = 0; i < PORT_COUNTERS; i++)
		a.value[i] -= before->value[i];
	return a;
}

int64_t taken(const struct account *a)
{
	int64_t sum = a->rx_ok;

	for (int i = 0; i < RX_DROPS; i++)
		sum += a->rx_drop[i];
	return sum;
}

int64_t given(const struct account *a)
{
	int64_t sum = a->tx_ok;

	for (int i = 0; i < TX_DROPS; i++)
		sum += a->tx_drop[i];
	return sum;
}

/* How many counters of frames differ. */
static unsigned int differences(const struct account *got, const struct account *want, bool tell)
{
	unsigned int n = 0;

	for (int i = 0; i < PORT_COUNTERS; i++) {
		const struct port_counter *row = &port_counter_table[i];

		if (got->value[i] == want->value[i] || strcmp(row->unit, "bytes") == 0)
			continue;
		n++;
		if (tell)
			print_error("%s%s%s %d, not %d\n", row->group != NULL ? row->group->name : "",
				    row->group != NULL ? "." : "", row->name, (int)got->value[i], (int)want->value[i]);
	}
	return n;
}

void expect_account(const char *port, const struct account *before, const struct account *want)
{
	int64_t deadline = fg_deadline(FG_WAIT_MS / 4);
	struct account got;

	do {
		got = since(port, before);
		if (differences(&got, want, false) == 0)
			return;
		fg_sleep_us(2000);
	} while (fg_left_ms(deadline) > 0);
	differences(&got, want, true);
	fail_msg("%s counted something else", port);
}

void send_raw(struct guest *g, const uint8_t dst[6], const uint8_t src[6], unsigned int n,
	      size_t len)
{
	static uint8_t frame[FG_FRAME_MAX + 64];

	memset(frame, 0, sizeof(frame));
	memcpy(frame, dst, 6);
	memcpy(frame + 6, src, 6);
	frame[12] = 0x88;
	frame[13] = 0xb5;
	for (unsigned int i = 0; i < n; i++) {
		OK(fg_nic_send(&g->nic, frame, len, NULL));
		OK(fg_nic_drain_tx(&g->nic, FG_WAIT_MS));
	}
}

const uint8_t everybody[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static const char *const ports[] = {
	"a", "b", "c", "d,bridge=br1", "n,bridge=br2", "e,bridge=br3", "z,bridge=br3", NULL};
static const char *const args[] = {"--ethdev", "up=net_ring0,bridge=br2", NULL};
static const char *const eal[] = {"--vdev", "net_ring0", NULL};
const struct fg_switch_options account_fixture = {.ports = ports, .args = args, .eal = eal};
