/* SPDX-License-Identifier: BSD-3-Clause */
/* A journal that says anything, and rings that go on from it. The file may be missing, another's, of any length, with any bytes:
 * it is opened, begun anew or left alone as its head says, against the bytes that were written. Then a ring is served, its
 * process ends between two steps, the driver goes on or not, somebody changes the record or the ring or nobody does, and another
 * process serves it from there. Where nobody did, each frame is delivered once, in order, and each buffer comes back once.
 */
#include "fuzz.h"

#include <fcntl.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "burst.h"
#include "log.h"
#include "mem_fetch.h"
#include "vhu_journal.h"
#include "vnet.h"

enum { HEADER = 12, MEMORY = 16384, SIZE_MAX_TRIED = 32, FRAME_BYTES = 20, CHAINS_MAX = 256, STEPS_MAX = 48 };
enum { DESC_AT = 0, AVAIL_AT = 1024, USED_AT = 2048, BUFFERS_AT = 4096, BUFFER = 48 };
static const uint64_t GPA = UINT64_C(1) << 32, UVA = UINT64_C(0x7f0000000000);

static char folder[80], path[112];
static struct burst *frames;

/* --- the file ---------------------------------------------------------------------------------------------------- */

/* As vhu_journal.c has it: its records begin at a line. */
enum { FILE_BYTES = 64 + VHOST_RINGS_MAX * sizeof(struct virtq_record) };
static const struct head {
	char magic[8];
	uint32_t version, size;
} right = {"VUSRINGS", 1, FILE_BYTES};
/* Journals are those of processes of one user. */
static struct vhu_journal journal;

static uint32_t take_size(struct fuzz *in)
{
	static const uint32_t sizes[] = {0, 1, 16, 64, FILE_BYTES - 1, FILE_BYTES + 1, 4096};
	unsigned int which = fuzz_below(in, 32);

	return which < 7 ? sizes[which] : which == 7 ? fuzz_uint16(in) * 2u : FILE_BYTES;
}

/* What is there when the journal is opened. False: nothing that may be taken. */
static bool make_file(struct fuzz *in, struct head *head, uint32_t *size, uint64_t mark)
{
	int fd;

	*head = right;
	*size = 0;
	switch (fuzz_below(in, 16)) {
	case 0:
		return true;
	case 1:
		FUZZ_CHECK(mkfifo(path, 0600) == 0);
		return false;
	case 2:
		FUZZ_CHECK(symlink("/dev/null", path) == 0);
		return false;
	default:
		break;
	}
	*size = take_size(in);
	if (fuzz_chance(in, 60)) {
		unsigned int at = fuzz_below(in, sizeof(*head));

		((uint8_t *)head)[at] ^= fuzz_uint8(in);
	}
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	FUZZ_CHECK(fd >= 0 && ftruncate(fd, *size) == 0);
	if (*size >= sizeof(*head))
		FUZZ_CHECK(pwrite(fd, head, sizeof(*head), 0) == sizeof(*head));
	if (*size >= FILE_BYTES)
		FUZZ_CHECK(pwrite(fd, &mark, sizeof(mark), (off_t)(FILE_BYTES - sizeof(mark))) == sizeof(mark));
	close(fd);
	return true;
}

static void check_file(bool usable, const struct head *head, uint32_t size, uint64_t mark)
{
	const struct virtq_record *last = vhu_journal_record(&journal, VHOST_RINGS_MAX - 1);
	bool kept = size == FILE_BYTES && memcmp(head, &right, sizeof(right)) == 0;
	struct stat st;
	uint64_t found;

	FUZZ_CHECK((last != NULL) == usable);
	if (!usable)
		return;
	FUZZ_CHECK(fstat(journal.fd, &st) == 0 && st.st_size == FILE_BYTES && st.st_blocks * 512 >= st.st_size);
	memcpy(&found, (const uint8_t *)(last + 1) - sizeof(found), sizeof(found));
	FUZZ_CHECK(found == (kept ? mark : 0));
}

static void try_file(struct fuzz *in)
{
	const uint64_t mark = fuzz_uint64(in);
	struct vhu_journal second;
	struct head head;
	uint32_t size;
	bool usable = make_file(in, &head, &size, mark), keep = fuzz_chance(in, 128);

	vhu_journal_open(&journal, folder, "p", VHOST_RINGS_MAX);
	check_file(usable, &head, size, mark);
	if (usable) {
		vhu_journal_open(&second, folder, "p", VHOST_RINGS_MAX);
		FUZZ_CHECK(vhu_journal_record(&second, 0) == NULL && second.fd < 0);
	}
	vhu_journal_close(&journal, keep);
	FUZZ_CHECK((access(path, F_OK) == 0) == (keep || !usable) || !usable);
	unlink(path);
}

/* --- a ring and its driver ---------------------------------------------------------------------------------------- */

static uint8_t *memory;
static struct mem_table table;
static struct virtq_setup setup;
static bool packed, to_guest;
static uint32_t base;	 /* as the front end said */
static uint16_t posted, returned; /* chains since the beginning */
static uint16_t slots;	 /* of each chain */
static uint8_t *times_delivered;  /* by chain */
static bool tampered;
static struct port_counters counters;
static struct virtq *q;
static struct virtq_conf *conf;
static struct virtq_record *record;
static uint16_t in_hand_n;

static struct vring_desc *split_desc(void)
{
	return (struct vring_desc *)(void *)(memory + DESC_AT);
}

static struct vring_packed_desc *packed_desc(void)
{
	return (struct vring_packed_desc *)(void *)(memory + DESC_AT);
}

static struct vring_avail *avail(void)
{
	return (struct vring_avail *)(void *)(memory + AVAIL_AT);
}

static struct vring_used *used(void)
{
	return (struct vring_used *)(void *)(memory + USED_AT);
}

/* Chains that the ring has room for. */
static uint16_t chains(void)
{
	return (uint16_t)(setup.size / slots);
}

/* The place of a chain, as the ring counts them, and in which lap it is. */
static uint16_t place_of(uint16_t chain, bool *wrap)
{
	uint32_t at = (base & 0x7fff) % setup.size + (uint32_t)chain * slots;

	*wrap = (at / setup.size) % 2 == 0;
	return (uint16_t)(at % setup.size);
}

static uint64_t buffer_of(uint16_t chain)
{
	return GPA + BUFFERS_AT + (uint64_t)(chain % chains()) * BUFFER * 2;
}

/* The number of the chain is what its frame says. */
static void fill(uint16_t chain)
{
	uint8_t *at = memory + (buffer_of(chain) - GPA);

	memset(at, 0, 2 * BUFFER);
	memset(at + HEADER, 0x11, FRAME_BYTES);
	memcpy(at + HEADER + 14, &chain, sizeof(chain));
}

/* Any number will do for an id, and none is an index of anything; a place has another each time. */
static uint16_t id_of(uint16_t chain)
{
	return packed ? (uint16_t)(chain * 40503u ^ 0xbeef) : (uint16_t)(chain % chains() * slots);
}

static void post_packed(uint16_t chain)
{
	const uint32_t whole = HEADER + FRAME_BYTES, first = slots == 1 ? whole : HEADER;
	bool wrap;

	for (uint16_t i = 0; i < slots; i++) {
		uint16_t place = place_of(chain, &wrap);
		uint16_t at = (uint16_t)(place + i) % setup.size;
		bool lap = place + i >= setup.size ? !wrap : wrap;

		packed_desc()[at] = (struct vring_packed_desc){
			.addr = buffer_of(chain) + (i == 0 ? 0 : first),
			.len = i == 0 ? first : whole - first,
			.id = id_of(chain),
			.flags = (uint16_t)((i + 1 < slots ? VRING_DESC_F_NEXT : 0) | (to_guest ? VRING_DESC_F_WRITE : 0) |
					    (lap ? 1 << VRING_PACKED_DESC_F_AVAIL : 1 << VRING_PACKED_DESC_F_USED)),
		};
	}
}

static void post_split(uint16_t chain)
{
	const uint32_t whole = HEADER + FRAME_BYTES, first = slots == 1 ? whole : HEADER;
	const uint16_t head = id_of(chain);

	for (uint16_t i = 0; i < slots; i++)
		split_desc()[head + i] = (struct vring_desc){
			.addr = buffer_of(chain) + (i == 0 ? 0 : first),
			.len = i == 0 ? first : whole - first,
			.flags = (uint16_t)((i + 1 < slots ? VRING_DESC_F_NEXT : 0) | (to_guest ? VRING_DESC_F_WRITE : 0)),
			.next = (uint16_t)(head + i + 1),
		};
	avail()->ring[(uint16_t)(base + chain) % setup.size] = head;
	avail()->idx = (uint16_t)(base + chain + 1);
}

static void post(unsigned int n)
{
	for (; n > 0 && (uint16_t)(posted - returned) < chains() && posted < CHAINS_MAX; n--) {
		if (!to_guest)
			fill(posted);
		if (packed)
			post_packed(posted);
		else
			post_split(posted);
		posted++;
	}
}

static bool is_back(uint16_t chain)
{
	bool wrap;
	uint16_t at, flags;

	if (!packed)
		return (uint16_t)(used()->idx - base) != chain;
	at = place_of(chain, &wrap);
	flags = packed_desc()[at].flags;
	return (flags >> VRING_PACKED_DESC_F_USED & 1) == wrap && (flags >> VRING_PACKED_DESC_F_AVAIL & 1) == wrap;
}

/* The driver takes back what has come, in order. */
static void take_back(void)
{
	while (!tampered && returned != posted && is_back(returned)) {
		bool wrap;
		uint16_t id = packed ? packed_desc()[place_of(returned, &wrap)].id
				     : (uint16_t)used()->ring[(uint16_t)(base + returned) % setup.size].id;

		FUZZ_CHECK(id == id_of(returned));
		returned++;
	}
}

/* --- processes that serve it -------------------------------------------------------------------------------------- */

static void serve(void)
{
	bool damaged, matches;

	role_assert_control();
	virtq_init(q, &table, record);
	conf = virtq_conf_create(&setup, rcu_own(&table.map));
	FUZZ_CHECK(conf != NULL);
	matches = virtq_record_matches(record, &setup, base, &damaged);
	FUZZ_CHECK(tampered || !damaged);
	FUZZ_CHECK(!matches || (!damaged && record->size == setup.size && record->desc_uva == setup.desc_uva));
	if (matches) {
		virtq_resume(q, conf, base);
	} else {
		virtq_record_begin(record, &setup, base);
		virtq_start(q, conf, base);
	}
}

/* What it had in memory of its own is gone, whatever it was about to do. */
static void die(void)
{
	role_assert_control();
	virtq_publish(q, NULL);
	free(conf);
	memset(q, 0xa5, sizeof(*q));
	in_hand_n = 0;
}

static void receive(void)
{
	role_assert_lcore();
	in_hand_n = vnet_receive(q, frames, BURST_MAX, &counters);
	FUZZ_CHECK(in_hand_n <= BURST_MAX);
	for (uint16_t i = 0; i < in_hand_n; i++) {
		uint8_t flat[FRAME_LEN_MAX];
		uint16_t chain;

		FUZZ_CHECK(frames->frame[i].len <= FRAME_LEN_MAX);
		frame_copy(&frames->frame[i], flat);
		if (tampered)
			continue;
		FUZZ_CHECK(frames->frame[i].len == FRAME_BYTES);
		memcpy(&chain, flat + 14, sizeof(chain));
		FUZZ_CHECK(chain < posted && times_delivered[chain]++ == 0);
		FUZZ_CHECK(chain == 0 || times_delivered[chain - 1] == 1);
	}
}

static void complete(void)
{
	role_assert_lcore();
	if (in_hand_n > 0)
		vnet_complete(q, frames);
	in_hand_n = 0;
	take_back();
}

static void deliver(unsigned int n)
{
	uint8_t bytes[FRAME_BYTES] = {2};
	struct frame frame = {.head = bytes, .len = sizeof(bytes), .head_len = sizeof(bytes)};
	struct frame *all[BURST_MAX];

	role_assert_lcore();
	for (unsigned int i = 0; i < BURST_MAX; i++)
		all[i] = &frame;
	vnet_deliver(q, all, (uint16_t)n, FRAME_LEN_MAX, &counters);
	take_back();
}

/* --- what is done to it ------------------------------------------------------------------------------------------- */

static uint64_t take_place(struct fuzz *in)
{
	uint64_t place = atomic_load(&record->place);

	switch (fuzz_below(in, 4)) {
	case 0:
		return fuzz_uint64(in);
	case 1:
		return place + ((uint64_t)(int64_t)(int8_t)fuzz_uint8(in) << 8 * fuzz_below(in, 8));
	default:
		return place ^ UINT64_C(1) << (fuzz_uint8(in) & 63);
	}
}

/* The record, by somebody of our user; or the ring, by its driver. */
static void tamper(struct fuzz *in)
{
	uint8_t list = (uint8_t)(atomic_load(&record->place) >> 40);
	struct virtq_returned *entry = virtq_record_at(record, list, fuzz_below(in, 8));
	uint16_t at;

	tampered = true;
	/* Two descriptors may have one buffer then. */
	mem_fetch_aliases(true);
	switch (fuzz_below(in, 6)) {
	case 0:
	case 1:
		atomic_store(&record->place, take_place(in));
		break;
	case 2:
		entry->slots = fuzz_chance(in, 128) ? fuzz_uint16(in) : fuzz_uint8(in) & 7;
		if (fuzz_chance(in, 128))
			entry->id = fuzz_uint16(in);
		break;
	case 3:
		((uint8_t *)record)[fuzz_uint16(in) % sizeof(*record)] ^= fuzz_uint8(in);
		break;
	case 4:
		at = fuzz_uint16(in) % BUFFERS_AT;
		memory[at] ^= fuzz_uint8(in);
		break;
	default:
		for (unsigned int n = fuzz_below(in, 32); n > 0; n--)
			record->in_hand[n] = (struct virtq_returned){fuzz_uint8(in), fuzz_below(in, 4), 0};
	}
}

/* A driver that comes anew, where the one before had its ring, maybe a shorter one: the record is about that one. */
static void new_driver(struct fuzz *in)
{
	die();
	memset(memory, 0, BUFFERS_AT);
	if (fuzz_chance(in, 128) && setup.size >= 4 * slots)
		setup.size /= 2;
	if (!packed)
		avail()->idx = used()->idx = (uint16_t)base;
	posted = returned = 0;
	tampered = true;
	serve();
}

/* Its last buffers are back, and it dies before it has written that down. */
static void die_after_return(void)
{
	struct virtq_record before = *record;

	complete();
	*record = before;
	die();
	serve();
}

static void step(struct fuzz *in)
{
	role_assert_lcore();
	switch (fuzz_below(in, 10)) {
	case 0:
	case 1:
		post(1 + fuzz_below(in, SIZE_MAX_TRIED));
		break;
	case 2:
		if (fuzz_chance(in, 128))
			tamper(in);
		break;
	case 3:
		if (fuzz_chance(in, 20))
			new_driver(in);
		break;
	case 4:
	case 5:
		die();
		serve();
		break;
	case 6:
		if (fuzz_chance(in, 128))
			die_after_return();
		else
			complete();
		break;
	default:
		if (to_guest) {
			deliver(1 + fuzz_below(in, BURST_MAX));
		} else {
			complete();
			receive();
		}
	}
	FUZZ_CHECK(!q->dp.fresh || in_hand_n == 0);
	FUZZ_CHECK(tampered || virtq_fault(q) == VIRTQ_OK);
	FUZZ_CHECK(q->dp.pushed <= VIRTQ_IN_HAND_LIST);
}

/* Nobody meddled: all that was sent has been delivered once, or may have been when its process died; all is back. */
static void check_end(void)
{
	uint64_t delivered = 0;

	complete();
	for (int i = 0; !to_guest && i < CHAINS_MAX; i++) {
		receive();
		complete();
	}
	if (tampered || to_guest)
		return;
	for (uint16_t i = 0; i < posted; i++)
		delivered += times_delivered[i];
	/* What was in hand when its process died had been delivered. */
	FUZZ_CHECK(returned == posted && delivered == posted);
	FUZZ_CHECK(counted(&counters.rx_drop[RX_DROP_RESTART]) <= posted);
}

static void try_ring(struct fuzz *in)
{
	const unsigned int form = fuzz_uint8(in);

	packed = (form & 1) != 0;
	to_guest = (form & 2) != 0;
	slots = (form & 4) != 0 ? 2 : 1;
	setup.size = packed ? (uint16_t)(slots * (2 + fuzz_below(in, SIZE_MAX_TRIED / 2 - 2)))
			    : (uint16_t)(2 * slots << fuzz_below(in, 3));
	setup.features = UINT64_C(1) << VIRTIO_F_VERSION_1 | UINT64_C(1) << VIRTIO_NET_F_MRG_RXBUF |
			 (uint64_t)packed << VIRTIO_F_RING_PACKED |
			 (form & 8 ? UINT64_C(1) << VIRTIO_RING_F_EVENT_IDX : 0);
	base = packed ? 0x80008000u : fuzz_uint16(in);
	posted = returned = 0;
	tampered = false;
	mem_fetch_aliases(false);
	memset(&counters, 0, sizeof(counters));
	memset(memory, 0, MEMORY);
	memset(record, 0, sizeof(*record));
	memset(times_delivered, 0, CHAINS_MAX);
	if (!packed)
		avail()->idx = used()->idx = (uint16_t)base;
	serve();
	for (int i = 0; i < STEPS_MAX && in->left > 0; i++)
		step(in);
	check_end();
	die();
}

/* --- an input ---------------------------------------------------------------------------------------------------- */

static void clean_up(void)
{
	unlink(path);
	rmdir(folder);
}

void fuzz_begin(void)
{
	const char *place = getenv("TMPDIR");
	struct mem_region region = {.gpa = GPA, .size = MEMORY, .uva = UVA};

	log_set_level(LOG_ERROR);
	snprintf(folder, sizeof(folder), "%.50s/vuswitch-fuzz-XXXXXX", place != NULL ? place : "/tmp");
	FUZZ_CHECK(mkdtemp(folder) != NULL);
	snprintf(path, sizeof(path), "%s/p.journal", folder);
	atexit(clean_up);
	memory = aligned_alloc(64, MEMORY);
	times_delivered = malloc(CHAINS_MAX);
	record = aligned_alloc(64, sizeof(*record));
	q = aligned_alloc(64, sizeof(*q));
	frames = burst_new();
	FUZZ_CHECK(memory != NULL && times_delivered != NULL && record != NULL && q != NULL && frames != NULL);
	region.host = memory;
	rcu_set(&table.map, mem_map_of(&region, 1));
	setup = (struct virtq_setup){
		.desc_uva = UVA + DESC_AT, .avail_uva = UVA + AVAIL_AT, .used_uva = UVA + USED_AT, .call_fd = -1};
}

void fuzz_input(struct fuzz *in)
{
	if (fuzz_chance(in, 40))
		try_file(in);
	else
		try_ring(in);
}
