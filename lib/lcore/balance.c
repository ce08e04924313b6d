/* SPDX-License-Identifier: BSD-3-Clause */
#include "balance.h"

#include "vus_limits.h"

/* An lcore, with what would relieve it. */
struct busy {
	uint32_t load;
	uint32_t light;	    /* of all queues that are too light to be worth a move each */
	uint32_t away;	    /* of all queues whose memory is nearer to another */
	uint32_t best;	    /* the busier of the two lcores after the best move */
	unsigned int queue; /* the best, */
	unsigned int to;    /* and where it goes; none while `best` is `load` */
};

/* All lcores, and where queues could go. */
struct field {
	const struct balance_queue *queues;
	const struct place *place;
	struct busy lcore[LCORES_MAX];
	unsigned int targets, target[LCORES_MAX]; /* of each node, the lcore with least to do */
	uint64_t all;
	uint32_t mean, gain;
};

static uint32_t larger(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

static uint32_t gain_of(uint32_t mean)
{
	return larger(mean / 10, BALANCE_GAIN);
}

/* With less to do than this an lcore has room for the queues of its node. */
static uint32_t bound_of(uint32_t mean)
{
	return larger(BALANCE_ROOM, mean + gain_of(mean));
}

/* What a queue would take there. */
static uint32_t load_at(const struct field *field, const struct balance_queue *q, unsigned int lcore)
{
	uint32_t here = place_price(field->place, q->node, q->lcore);
	uint32_t there = place_price(field->place, q->node, lcore);

	return here == there ? q->load : (uint32_t)((uint64_t)q->load * (100 + there) / (100 + here));
}

static void find_targets(struct field *field)
{
	const int8_t *node = field->place->node;

	for (unsigned int i = 0; i < field->place->lcores; i++) {
		unsigned int t = 0;

		while (t < field->targets && node[field->target[t]] != node[i])
			t++;
		if (t == field->targets)
			field->target[field->targets++] = i;
		else if (field->lcore[i].load < field->lcore[field->target[t]].load)
			field->target[t] = i;
	}
}

/* Of the lcores from which the queue costs least, the one with least to do. */
static unsigned int home_of(const struct field *field, const struct balance_queue *q)
{
	unsigned int home = field->target[0];

	for (unsigned int t = 1; t < field->targets; t++) {
		unsigned int i = field->target[t];
		uint32_t price = place_price(field->place, q->node, i), least = place_price(field->place, q->node, home);

		if (price < least || (price == least && field->lcore[i].load < field->lcore[home].load))
			home = i;
	}
	return home;
}

/* What a queue's move would be for the lcore it is on. False: nothing. */
static bool consider_there(struct field *field, unsigned int queue, unsigned int to)
{
	const struct balance_queue *q = &field->queues[queue];
	struct busy *from = &field->lcore[q->lcore];
	uint32_t after = larger(from->load - q->load, field->lcore[to].load + load_at(field, q, to));
	uint32_t best = larger(after, field->mean);

	if (after >= from->load)
		return false;
	if (best < from->best || (best == from->best && q->load < field->queues[from->queue].load)) {
		from->best = best;
		from->queue = queue;
		from->to = to;
	}
	return true;
}

/* Whether an lcore of the queue's node has room for it: the one where it is, or the one with least to do. */
static bool has_room(const struct field *field, const struct balance_queue *q, unsigned int home)
{
	uint32_t bound = bound_of(field->mean);
	bool is_there = place_price(field->place, q->node, q->lcore) <= place_price(field->place, q->node, home);

	return (is_there && field->lcore[q->lcore].load < bound) ||
	       (home != q->lcore && field->lcore[home].load + load_at(field, q, home) < bound);
}

/* It leaves its node only if there is no room for it. */
static void consider(struct field *field, unsigned int queue)
{
	const struct balance_queue *q = &field->queues[queue];
	unsigned int home;
	bool relieves;

	if (q->backs_off)
		return;
	home = home_of(field, q);
	relieves = consider_there(field, queue, home);
	if (field->targets > 1 && !has_room(field, q, home))
		for (unsigned int t = 0; t < field->targets; t++)
			relieves |= consider_there(field, queue, field->target[t]);
	if (relieves && q->load < field->gain)
		field->lcore[q->lcore].light += q->load;
}

static bool worth_it(const struct busy *lcore, uint32_t mean, uint32_t gain)
{
	return lcore->load >= BALANCE_BUSY && lcore->load >= mean + gain && lcore->best < lcore->load &&
	       (lcore->load - lcore->best >= gain || lcore->light >= gain);
}

static struct balance_move move_of(const struct field *field, unsigned int queue, unsigned int to)
{
	const struct balance_queue *q = &field->queues[queue];
	uint32_t before = field->lcore[q->lcore].load;

	return (struct balance_move){
		.queue = queue,
		.from = q->lcore,
		.to = (uint16_t)to,
		.load = q->load,
		.before = before,
		.after = larger(before - q->load, field->lcore[to].load + load_at(field, q, to)),
		.home = place_price(field->place, q->node, to) < place_price(field->place, q->node, q->lcore),
	};
}

/* Whether a queue that is polled from another node would find room on an lcore of its own, in *to. */
static bool has_room_at_home(const struct field *field, const struct balance_queue *q, unsigned int *to)
{
	uint32_t here = place_price(field->place, q->node, q->lcore), there;

	if (here == 0 || q->backs_off || (q->load < BALANCE_HOME && field->lcore[q->lcore].away < BALANCE_HOME))
		return false;
	*to = home_of(field, q);
	if (place_price(field->place, q->node, *to) >= here)
		return false;
	there = load_at(field, q, *to);
	return field->lcore[*to].load + there < bound_of((uint32_t)((field->all - q->load + there) / field->place->lcores));
}

/* Of those that have room at home, the one to which it brings most. */
static bool find_home(struct field *field, unsigned int n, struct balance_move *move)
{
	uint32_t most = 0;

	for (unsigned int i = 0; i < n && field->place->several; i++)
		if (place_price(field->place, field->queues[i].node, field->queues[i].lcore) > 0)
			field->lcore[field->queues[i].lcore].away += field->queues[i].load;
	for (unsigned int i = 0; i < n && field->place->several; i++) {
		const struct balance_queue *q = &field->queues[i];
		unsigned int to;

		if (!has_room_at_home(field, q, &to) || q->load - load_at(field, q, to) <= most)
			continue;
		most = q->load - load_at(field, q, to);
		*move = move_of(field, i, to);
	}
	return most > 0;
}

/* Of the busiest lcore that it is worth it for; or home. */
bool balance_find(const struct balance_queue *queues, unsigned int n, const struct place *place,
		  struct balance_move *move)
{
	struct field field = {.queues = queues, .place = place};
	const struct busy *from = NULL;

	for (unsigned int i = 0; i < n; i++) {
		field.lcore[queues[i].lcore].load += queues[i].load;
		field.all += queues[i].load;
	}
	field.mean = (uint32_t)(field.all / place->lcores);
	field.gain = gain_of(field.mean);
	find_targets(&field);
	for (unsigned int i = 0; i < place->lcores; i++)
		field.lcore[i].best = field.lcore[i].load;
	for (unsigned int i = 0; i < n; i++)
		if (field.lcore[queues[i].lcore].load >= field.mean + field.gain)
			consider(&field, i);
	for (unsigned int i = 0; i < place->lcores; i++)
		if (worth_it(&field.lcore[i], field.mean, field.gain) && (from == NULL || field.lcore[i].load > from->load))
			from = &field.lcore[i];
	if (from == NULL)
		return find_home(&field, n, move);
	*move = move_of(&field, from->queue, from->to);
	return true;
}

bool balance_foresee(struct balance_queue *queues, unsigned int n, const struct place *place,
		     struct balance_move *move)
{
	struct balance_queue *q;
	uint32_t here, there;

	if (!balance_find(queues, n, place, move))
		return false;
	q = &queues[move->queue];
	here = place_price(place, q->node, q->lcore);
	there = place_price(place, q->node, move->to);
	q->load = (uint32_t)((uint64_t)q->load * (100 + there) / (100 + here));
	q->lcore = move->to;
	q->backs_off = true;
	return true;
}

void balance_measure(struct balance_load *load, uint64_t cycles, uint64_t whole)
{
	uint64_t spent = cycles - load->cycles;
	uint32_t share = spent >= whole ? BALANCE_WHOLE : (uint32_t)((double)spent / (double)whole * BALANCE_WHOLE);

	load->cycles = cycles;
	load->share = (load->share + share) / 2;
	load->lasting = (load->lasting * (BALANCE_LASTING - 1) + share) / BALANCE_LASTING;
	if (load->stayed < UINT32_MAX)
		load->stayed++;
}

uint32_t balance_weight(const struct balance_load *load)
{
	uint32_t change = load->share > load->lasting ? load->share - load->lasting : load->lasting - load->share;

	return change >= BALANCE_SUDDEN ? load->share : load->lasting;
}

bool balance_backs_off(const struct balance_load *load)
{
	return load->stayed < load->backoff;
}

void balance_moved(struct balance_load *load)
{
	bool again = load->backoff > 0 && load->stayed < 4 * load->backoff;

	load->backoff = !again					  ? BALANCE_BACKOFF
			: load->backoff > BALANCE_BACKOFF_MAX / 2 ? BALANCE_BACKOFF_MAX
								  : 2 * load->backoff;
	load->stayed = 0;
}
