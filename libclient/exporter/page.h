/* SPDX-License-Identifier: MIT */
#pragma once
/* The page for those without Grafana: HTML and SVG without a script, in one piece. */
#include "libclient/exporter/answer.h"
#include "libclient/exporter/history.h"
#include "libclient/observe/sample.h"

void page_answer(const struct sample *sample, const struct history *history, struct answer *ret);
