/* SPDX-License-Identifier: BSD-3-Clause */
/* mem_guest.h: the one way to read or write what a guest may change at any moment.
 *
 * Each function is one load or one store of one naturally aligned field, never torn, never repeated by the compiler.
 * A field is read once into a local, checked, and only the local is used after that: what was checked is what counts,
 * whatever the guest scribbles meanwhile. Rings are checked for alignment when they start (virtq.h). V9, V12.
 *
 * Context: an lcore, or the postcopy process; never the control thread.
 */
#ifndef VUS_MEM_GUEST_H
#define VUS_MEM_GUEST_H

#include <stdatomic.h>
#include <stdint.h>

#include "mem_fetch.h"

/* A volatile access is exactly that, and leaves alone what the compiler knows of all other memory, which an atomic one of
 * gcc does not: the fields of our own that a burst works with stay in registers. A race detector wants to see the atomic. */
#if defined(__SANITIZE_THREAD__)
#define GUEST_LOAD(at) __atomic_load_n(at, __ATOMIC_RELAXED)
#define GUEST_STORE(at, value) __atomic_store_n(at, value, __ATOMIC_RELAXED)
#else
#define GUEST_LOAD(at) (*(const volatile __typeof__(*(at)) *)(at))
#define GUEST_STORE(at, value) ((void)(*(volatile __typeof__(*(at)) *)(at) = (value)))
#endif

/* Used elements are eight bytes on a boundary of four; they count once the index that follows them says so. */
typedef uint64_t guest_word __attribute__((aligned(4)));

/* The same again and again: a field that moves on while the ring runs, of which each value stands for itself and is checked by
 * itself. Nothing that an earlier value said is believed afterwards; the caller says why. */
static inline uint16_t guest_load16_again(const uint16_t *at)
{
	return GUEST_LOAD(at);
}

static inline uint32_t guest_load32_again(const uint32_t *at)
{
	return GUEST_LOAD(at);
}

/* Everything the guest stored before it stored this value is seen by the loads after this one. Pairs with the guest's
 * release; the caller says which. */
static inline uint16_t guest_load16_acquire_again(const uint16_t *at)
{
	return __atomic_load_n(at, __ATOMIC_ACQUIRE);
}

/* Where reads are watched (mem_fetch.h). */
#ifdef VUS_FETCH_ONCE
#define guest_load16(at) ((uint16_t)mem_fetch_field(at, 2, GUEST_LOAD((const uint16_t *)(at)), __func__))
#define guest_load64(at) mem_fetch_field(at, 8, GUEST_LOAD((const uint64_t *)(at)), __func__)
/* Pairs with the guest's release; the caller says which. */
#define guest_load64_acquire(at) \
	mem_fetch_field(at, 8, __atomic_load_n((const uint64_t *)(at), __ATOMIC_ACQUIRE), __func__)
#else
static inline uint16_t guest_load16(const uint16_t *at)
{
	return GUEST_LOAD(at);
}

static inline uint64_t guest_load64(const uint64_t *at)
{
	return GUEST_LOAD(at);
}

/* Pairs with the guest's release, as guest_load16_acquire_again() does. */
static inline uint64_t guest_load64_acquire(const uint64_t *at)
{
	return __atomic_load_n(at, __ATOMIC_ACQUIRE);
}
#endif

static inline void guest_store16(uint16_t *at, uint16_t value)
{
	GUEST_STORE(at, value);
}

static inline void guest_store32(uint32_t *at, uint32_t value)
{
	GUEST_STORE(at, value);
}

static inline void guest_store64(uint64_t *at, uint64_t value)
{
	GUEST_STORE((guest_word *)at, value);
}

/* A guest that sees this value sees everything stored before it. Pairs with the guest's acquire; the caller says which. */
static inline void guest_store16_release(uint16_t *at, uint16_t value)
{
	__atomic_store_n(at, value, __ATOMIC_RELEASE);
}

static inline void guest_store64_release(uint64_t *at, uint64_t value)
{
	__atomic_store_n(at, value, __ATOMIC_RELEASE);
}

/* Store here, load there: nothing else keeps the two in order (virtio 2.7.7, the notification races). Pairs with the
 * guest's fence; the caller says which. */
static inline void guest_fence(void)
{
	atomic_thread_fence(memory_order_seq_cst);
}

#endif
