/* SPDX-License-Identifier: MIT */
#pragma once
/* The style sheet of the page. */
extern const char page_style[];
