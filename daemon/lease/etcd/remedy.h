/* SPDX-License-Identifier: MIT */
#pragma once
#include <curl/curl.h>
#include <stdbool.h>

/* What a person is to do about a failure of the connection to etcd, behind a ':' where
 * nothing else can help; "": see to etcd. `tls`: it was tried with TLS. */
const char *etcd_remedy(CURLcode code, bool tls, bool has_certificate);
