/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of messages: every row holds what it says, docs/protocol.md says the same, and nothing gets past it.
 *
 * With the argument --table the program prints the table of docs/protocol.md as it should be.
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cases.h"
#include "vhu_feature.h"
#include "vhu_message.h"

#define ALL_FEATURES UINT64_MAX

static const char *fds_word(const struct vhu_message_spec *spec)
{
	static const char *const words[] = {
		[VHU_FDS_NONE] = "0",
		[VHU_FDS_ONE] = "1",
		[VHU_FDS_MAYBE] = "0 or 1",
		[VHU_FDS_UNLESS_BIT8] = "1, 0 with bit 8",
		[VHU_FDS_PER_REGION] = "1 a region",
	};

	return words[spec->fds];
}

static void needs_words(const struct vhu_message_spec *spec, char *text, size_t size)
{
	snprintf(text, size, "-");
	for (unsigned int bit = 0; bit < 32; bit++)
		if ((spec->needs >> bit & 1) != 0)
			snprintf(text, size, "%s", vhu_protocol_feature_name(bit));
}

static const char *support_word(const struct vhu_message_spec *spec)
{
	if (spec->ignored)
		return "ignored";
	if (spec->never || (spec->needs & ~vhu_protocol_features_offered(true)) != 0)
		return "not offered";
	return "yes";
}

/* One line of the table in docs/protocol.md. */
static void row(uint32_t request, char *text, size_t size)
{
	static const char *const live[] = {"yes", "unchanged", "stops it", "no"};
	const struct vhu_message_spec *spec = vhu_message_spec(request);
	char needs[64], payload[32];

	needs_words(spec, needs, sizeof(needs));
	if (spec->fds == VHU_FDS_PER_REGION)
		snprintf(payload, sizeof(payload), "8 + 32n");
	else if (spec->size_max != 0)
		snprintf(payload, sizeof(payload), "%u to %u", spec->size, spec->size_max);
	else
		snprintf(payload, sizeof(payload), "%u", spec->size);
	snprintf(text, size, "| %u | %s | %s | %s | %s | %s | %s | %s |\n", request, spec->name,
		 payload, fds_word(spec), needs,
		 spec->ignored				? "none"
		 : spec->answer == VHU_ANSWER_VALUE	? "value"
							: "ack",
		 live[spec->live], support_word(spec));
}

static char *read_document(void)
{
	FILE *file = fopen(PROJECT_ROOT "/docs/protocol.md", "r");
	char *text = calloc(1, 65536);

	assert_non_null(file);
	assert_non_null(text);
	assert_true(fread(text, 1, 65535, file) > 0);
	fclose(file);
	return text;
}

static void test_document_says_the_same(void **state)
{
	char *document = read_document(), line[256];
	unsigned int rows = 0;

	for (uint32_t request = 0; request < VHU_REQUESTS; request++) {
		row(request, line, sizeof(line));
		if (strstr(document, line) == NULL)
			fail_msg("docs/protocol.md lacks this line (see --table): %s", line);
	}
	for (const char *at = document; (at = strstr(at, "\n| ")) != NULL; at++)
		rows += at[3] >= '0' && at[3] <= '9';
	assert_int_equal(rows, VHU_REQUESTS);
	free(document);
}

static void test_every_request_has_a_row(void **state)
{
	char text[24];

	for (uint32_t request = 0; request < VHU_REQUESTS; request++) {
		const struct vhu_message_spec *spec = vhu_message_spec(request);

		assert_non_null(spec);
		assert_non_null(spec->name);
		assert_true(spec->size <= sizeof(union vhu_payload));
		assert_true(spec->size_max <= sizeof(union vhu_payload));
		assert_true(spec->index == VHU_INDEX_NONE || spec->size >= 8);
	}
	assert_null(vhu_message_spec(VHU_REQUESTS));
	assert_null(vhu_message_spec(UINT32_MAX));
	assert_string_equal(vhu_message_name(4711, text), "request 4711");
}

/* Every size from 0 to more than there is room for, for every request. */
static void test_sizes(void **state)
{
	for (uint32_t request = 0; request < VHU_REQUESTS; request++) {
		const struct vhu_message_spec *spec = vhu_message_spec(request);

		for (uint32_t size = 0; size < 1500; size++) {
			const struct vhu_header header = {request, VHU_VERSION, size};
			bool right = spec->size_max != 0
					     ? size >= spec->size && size <= spec->size_max
					     : size == spec->size;

			/* In postcopy it ends a memory update: whether it may come is not for a header to say. */
			right = right || (spec->commits && size == 8);
			assert_int_equal(vhu_header_check(&header),
					 right ? VHU_OK : VHU_BAD_SIZE);
		}
	}
	assert_int_equal(vhu_header_check(&(struct vhu_header){200, 1, 8 + 32 * 32}), VHU_OK);
	assert_int_equal(vhu_header_check(&(struct vhu_header){200, 1, 8 + 32 * 32 + 1}), VHU_BAD_SIZE);
	assert_int_equal(vhu_header_check(&(struct vhu_header){200, 1, UINT32_MAX}), VHU_BAD_SIZE);
}

static void test_flags(void **state)
{
	for (uint32_t flags = 0; flags < 64; flags++) {
		const struct vhu_header header = {VHU_GET_FEATURES, flags, 0};
		bool right = (flags & 3) == 1 && (flags & VHU_FLAG_REPLY) == 0;

		assert_int_equal(vhu_header_check(&header), right ? VHU_OK : VHU_BAD_FLAGS);
	}
}

/* A message of its request's size, with the right descriptors for ring 0. */
static struct vhu_message legal(uint32_t request)
{
	const struct vhu_message_spec *spec = vhu_message_spec(request);
	struct vhu_message msg = {.header = {request, VHU_VERSION, spec->size}};

	if (spec->fds == VHU_FDS_PER_REGION)
		msg.payload.table.n = 1;
	msg.fds.n = spec->fds == VHU_FDS_NONE || spec->fds == VHU_FDS_MAYBE ? 0 : 1;
	return msg;
}

static void test_descriptors(void **state)
{
	const struct vhu_context context = {.protocol_features = ALL_FEATURES, .rings = 4};

	for (uint32_t request = 0; request < VHU_REQUESTS; request++) {
		const struct vhu_message_spec *spec = vhu_message_spec(request);

		for (unsigned int n = 0; n <= VHU_FDS_MAX && !spec->never; n++) {
			struct vhu_message msg = legal(request);
			bool right = n == msg.fds.n || (spec->fds == VHU_FDS_MAYBE && n <= 1);

			msg.fds.n = n;
			assert_int_equal(vhu_message_check(&msg, &context),
					 right ? VHU_OK : VHU_BAD_FDS);
		}
	}
}

/* F6: the one fd-less message that ends a memory update, and only while the memory is arriving. */
static void test_commits(void **state)
{
	static const uint32_t requests[] = {VHU_NONE, VHU_SET_MEM_TABLE, VHU_ADD_MEM_REG, VHU_REM_MEM_REG};
	struct vhu_context context = {.protocol_features = ALL_FEATURES, .rings = 4};

	for (unsigned int i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		struct vhu_message msg = {.header = {requests[i], VHU_VERSION, 8}};

		context.listening = false;
		assert_int_equal(vhu_message_check(&msg, &context),
				 requests[i] == VHU_NONE ? VHU_OK : VHU_BAD_SIZE);
		assert_false(msg.commit);
		context.listening = true;
		assert_int_equal(vhu_message_check(&msg, &context), VHU_OK);
		assert_true(msg.commit);
		msg.fds.n = 1;
		assert_int_equal(vhu_message_check(&msg, &context), VHU_BAD_FDS);
	}
}

static void test_features(void **state)
{
	const struct vhu_context none = {.rings = 4};

	for (uint32_t request = 0; request < VHU_REQUESTS; request++) {
		const struct vhu_message_spec *spec = vhu_message_spec(request);
		struct vhu_message msg = legal(request);

		assert_int_equal(vhu_message_check(&msg, &none),
				 spec->never	    ? VHU_BAD_REQUEST
				 : spec->needs != 0 ? VHU_BAD_FEATURE
						    : VHU_OK);
	}
}

static void test_ring_indexes(void **state)
{
	static const uint32_t wild[] = {4, 255, 256, 0x10000, 0x10001, 0x80000000, UINT32_MAX};
	const struct vhu_context context = {.protocol_features = ALL_FEATURES, .rings = 4};
	struct vhu_message msg;

	for (unsigned int i = 0; i < sizeof(wild) / sizeof(wild[0]); i++) {
		msg = legal(VHU_SET_VRING_NUM);
		msg.payload.state.index = wild[i];
		assert_int_equal(vhu_message_check(&msg, &context), VHU_BAD_RING);
		msg = legal(VHU_SET_VRING_CALL);
		msg.payload.u64 = wild[i];
		msg.fds.n = wild[i] & VHU_NOFD ? 0 : 1;
		assert_int_equal(vhu_message_check(&msg, &context),
				 wild[i] == VHU_NOFD ? VHU_OK : VHU_BAD_RING);
	}
	msg = legal(VHU_SET_VRING_CALL);
	msg.payload.u64 = UINT64_C(1) << 32;
	assert_int_equal(vhu_message_check(&msg, &context), VHU_BAD_RING);
	msg.payload.u64 = VHU_NOFD | 3;
	msg.fds.n = 0;
	assert_int_equal(vhu_message_check(&msg, &context), VHU_OK);
	assert_int_equal(msg.ring, 3);
}

static void test_running_rings(void **state)
{
	const struct vhu_context context = {
		.protocol_features = ALL_FEATURES, .rings = 4, .started = 1 << 2};
	struct vhu_message msg = legal(VHU_SET_VRING_NUM);

	msg.payload.state.index = 2;
	assert_int_equal(vhu_message_check(&msg, &context), VHU_OK);
	msg = legal(VHU_SET_VRING_BASE);
	assert_int_equal(vhu_message_check(&msg, &context), VHU_OK);
	msg.payload.state.index = 2;
	assert_int_equal(vhu_message_check(&msg, &context), VHU_BAD_STATE);
}

static void test_memory_table_counts(void **state)
{
	static const uint32_t wild[] = {0, 2, 9, 33, 0x10000001, UINT32_MAX};
	const struct vhu_context context = {.rings = 4};

	for (unsigned int i = 0; i < sizeof(wild) / sizeof(wild[0]); i++) {
		struct vhu_message msg = legal(VHU_SET_MEM_TABLE);

		msg.payload.table.n = wild[i];
		msg.fds.n = wild[i] <= VHU_FDS_MAX ? wild[i] : 1;
		assert_int_equal(vhu_message_check(&msg, &context), VHU_BAD_SIZE);
	}
	for (uint32_t n = 1; n <= VHU_TABLE_REGIONS_MAX; n++) {
		struct vhu_message msg = legal(VHU_SET_MEM_TABLE);

		msg.header.size = 8 + 32 * n;
		msg.payload.table.n = msg.fds.n = n;
		assert_int_equal(vhu_message_check(&msg, &context), VHU_OK);
		msg.fds.n = n - 1;
		assert_int_equal(vhu_message_check(&msg, &context), VHU_BAD_FDS);
	}
}

static void test_descriptors_have_one_owner(void **state)
{
	struct vhu_fds fds = {.n = 2};
	int taken;

	for (unsigned int i = 0; i < 2; i++)
		fds.fd[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	taken = vhu_fds_take(&fds, 0);
	assert_true(taken >= 0);
	assert_int_equal(vhu_fds_take(&fds, 0), -1);
	assert_int_equal(vhu_fds_take(&fds, 2), -1);
	close(vhu_fds_take(&fds, 1));
	assert_int_equal(vhu_fds_take(&fds, 1), -1);
	assert_int_equal(fcntl(taken, F_GETFD), FD_CLOEXEC);
	close(taken);
}

/* What QEMU acknowledges without knowing it (14, 17, 6, 7) must never be offered (F1). */
static void test_offers(void **state)
{
	uint64_t protocol = vhu_protocol_features_offered(true);

	assert_int_equal(protocol & (1 << 14 | 1 << 17 | 1 << 6 | 1 << 7), 0);
	for (unsigned int bit = 0; bit < 64; bit++) {
		if ((protocol >> bit & 1) != 0)
			assert_non_null(vhu_protocol_feature_name(bit));
		if ((vhu_features_offered(true, true) >> bit & 1) != 0)
			assert_non_null(vhu_feature_name(bit));
	}
	assert_null(vhu_feature_name(64));
}

/* Linux refuses a device that has what needs the control queue, and not the queue (virtio 1.2, 5.1.3.1). */
static void test_control_queue(void **state)
{
	const uint64_t control_vq = UINT64_C(1) << 17, guest_announce = UINT64_C(1) << 21, mq = UINT64_C(1) << 22;
	const uint64_t mtu = UINT64_C(1) << 3, packed = UINT64_C(1) << 34;
	const uint64_t all = control_vq | guest_announce | mq | mtu | packed;

	for (unsigned int offloads = 0; offloads < 2; offloads++) {
		assert_int_equal(vhu_features_offered(offloads, true) & all, all);
		assert_int_equal(vhu_features_offered(offloads, false) & all, 0);
		assert_int_equal(vhu_features_offered(offloads, false) | all, vhu_features_offered(offloads, true));
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_request_has_a_row),
		cmocka_unit_test(test_document_says_the_same),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_commits),
		cmocka_unit_test(test_features),
		cmocka_unit_test(test_ring_indexes),
		cmocka_unit_test(test_running_rings),
		cmocka_unit_test(test_memory_table_counts),
		cmocka_unit_test(test_descriptors_have_one_owner),
		cmocka_unit_test(test_offers),
		cmocka_unit_test(test_control_queue),
	};

	if (argc > 1 && strcmp(argv[1], "--table") == 0) {
		char line[256];

		for (uint32_t request = 0; request < VHU_REQUESTS; request++) {
			row(request, line, sizeof(line));
			fputs(line, stdout);
		}
		return 0;
	}
	return cmocka_run_group_tests_name("vhu_message", tests, NULL, NULL);
}
