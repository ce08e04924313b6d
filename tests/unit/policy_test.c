/* SPDX-License-Identifier: BSD-3-Clause */
/* What configuration says of a port, as frames meet it: isolated ports. */
#include "bridge_rig.h"
#include "cases.h"

/* Two isolated ports do not reach each other, in whatever way a frame goes; any other two do. */
static void isolated_ports(void **state)
{
	uint32_t a, b, c, d;

	role_assert_control();
	open_bridge(PORTS, 0);
	for (uint16_t i = 0; i < 4; i++)
		bridge_learn(bridge, home(i), i);
	isolate(1 << 0 | 1 << 1);
	put(&ctx[0], home(1), home(0));
	a = put(&ctx[0], home(2), home(0));
	b = put(&ctx[0], EVERYBODY, home(0));
	c = put(&ctx[0], home(30), home(0));
	d = put(&ctx[0], home(3), home(0));
	forward(&port[0]);
	got(&port[0], 0);
	got(&port[1], 0);
	got(&port[2], 3, a, b, c);
	got(&port[3], 3, b, c, d);
	got(&port[4], 2, b, c);
	assert_int_equal(rx_drop(&port[0], RX_DROP_ISOLATED), 1);
	a = put(&ctx[0], home(0), home(2));
	b = put(&ctx[0], EVERYBODY, home(2));
	forward(&port[2]);
	got(&port[0], 2, a, b);
	got(&port[1], 1, b);
	balanced(PORTS, 7);
	close_bridge(PORTS);
}

/* A flood that reaches no port is dropped as a whole, and its reason is that of the ports that were there. */
static void isolated_from_all(void **state)
{
	uint8_t bytes[ROOM] = {0};
	struct frame frame = {.head = bytes, .head_len = ROOM, .len = ROOM};
	uint32_t number;

	role_assert_lcore();
	role_assert_control();
	open_bridge(3, 0);
	bridge_learn(bridge, home(1), 1);
	isolate(7);
	put(&ctx[0], EVERYBODY, home(0));
	put(&ctx[0], home(30), home(0));
	put(&ctx[0], home(1), home(0));
	put(&ctx[0], home(0), home(0));
	forward(&port[0]);
	got(&port[1], 0);
	got(&port[2], 0);
	assert_int_equal(rx_drop(&port[0], RX_DROP_ISOLATED), 4);
	assert_int_equal(rx_drop(&port[0], RX_DROP_ALONE), 0);
	mac_write(bytes, EVERYBODY);
	assert_int_equal(bridge_inject(&ctx[0], bridge, &port[0].port, &frame), 0);
	got(&port[1], 0);
	got(&port[2], 0);
	balanced(3, 4);
	/* One that is not isolated any more is reached at once. */
	isolate(5);
	number = put(&ctx[0], EVERYBODY, home(0));
	forward(&port[0]);
	assert_int_equal(bridge_inject(&ctx[0], bridge, &port[0].port, &frame), 1);
	got(&port[1], 2, number, 0);
	got(&port[2], 0);
	balanced(3, 5);
	close_bridge(3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(isolated_ports),
		cmocka_unit_test(isolated_from_all),
	};

	return bridge_rig_run(CASES(tests));
}
