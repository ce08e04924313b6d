/* SPDX-License-Identifier: BSD-3-Clause */
/* Where pages lie, asked without bringing any in; memory of ours that is moved; and which node a guest's memory is on. What takes
 * several nodes is in tests/e2e/test_numa.py. */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cases.h"
#include "node.h"
#include "vhost_home.h"

enum { PAGE = 4096, PAGES = 8 };

static uint8_t *map_file(void)
{
	int fd = memfd_create("memory", MFD_CLOEXEC);
	uint8_t *at;

	assert_int_equal(ftruncate(fd, PAGES * PAGE), 0);
	at = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(at, MAP_FAILED);
	close(fd);
	return at;
}

static void a_look_brings_nothing_in(void **state)
{
	uint8_t *at = map_file();
	void *page[PAGES + 1] = {NULL};
	unsigned char there[PAGES];
	int node[PAGES + 1];

	for (unsigned int i = 0; i < PAGES; i++)
		page[i] = at + i * PAGE;
	at[3 * PAGE] = 1;
	assert_int_equal(nodes_of_pages(page, PAGES + 1, node), 0);
	for (unsigned int i = 0; i <= PAGES; i++)
		assert_int_equal(node[i] == NODE_UNKNOWN, i != 3);
	assert_int_equal(mincore(at, PAGES * PAGE, there), 0);
	for (unsigned int i = 0; i < PAGES; i++)
		assert_int_equal(there[i] & 1, i == 3);
	munmap(at, PAGES * PAGE);
}

static void memory_of_ours_is_zero_and_stays_as_it_is(void **state)
{
	struct node_span span = {.size = 3 * PAGE + 100};
	const uint8_t *byte;

	span.at = node_alloc(span.size, 0);
	byte = span.at;
	assert_non_null(byte);
	assert_int_equal((uintptr_t)byte % 64, 0);
	for (size_t i = 0; i < span.size; i++)
		assert_int_equal(byte[i], 0);
	memset(span.at, 0x5a, span.size);
	assert_int_equal(node_move(&span, 0), 0);
	for (size_t i = 0; i < span.size; i++)
		assert_int_equal(byte[i], 0x5a);
	node_free(span.at, span.size);
	node_free(NULL, 1);
}

static void most_pages_say_where_a_guest_is(void **state)
{
	const int none[] = {NODE_UNKNOWN, NODE_UNKNOWN}, one[] = {NODE_UNKNOWN, 3};
	const int five[] = {1, 0, 1, 0, 1}, ten[] = {1, 1, 1, 1, 1, 1, 0, 0, 0, 0};

	assert_int_equal(vhost_home_of(none, 2, NODE_UNKNOWN), NODE_UNKNOWN);
	assert_int_equal(vhost_home_of(none, 2, 1), NODE_UNKNOWN);
	assert_int_equal(vhost_home_of(one, 2, NODE_UNKNOWN), 3);
	assert_int_equal(vhost_home_of(one, 2, 0), 3);
	assert_int_equal(vhost_home_of(five, 4, NODE_UNKNOWN), 0);
	assert_int_equal(vhost_home_of(five, 5, NODE_UNKNOWN), 1);
	/* Memory that lies about half here and half there stays where it was said to be. */
	assert_int_equal(vhost_home_of(ten, 9, 0), 1);
	assert_int_equal(vhost_home_of(ten + 1, 9, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_look_brings_nothing_in),
		cmocka_unit_test(memory_of_ours_is_zero_and_stays_as_it_is),
		cmocka_unit_test(most_pages_say_where_a_guest_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
