/* SPDX-License-Identifier: BSD-3-Clause */
/* eal.h: DPDK for programs of tests: without huge pages, devices, files, or a word that is no error. */
#ifndef EAL_H
#define EAL_H

/* @lcores as EAL has them: "0@0,1@0". @device: a virtual one, or NULL. Returns: 0 or -1. */
int eal_start(const char *lcores, const char *device);

#endif
