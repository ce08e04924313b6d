/* SPDX-License-Identifier: BSD-3-Clause */
#include "mem_note.h"

_Thread_local struct mem_note mem_note;
