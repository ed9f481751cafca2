/* SPDX-License-Identifier: MIT */
#pragma once
/* What failures of ZooKeeper and of its client library mean, and what to do. Pure. */

/* Of a connection that failed: `message` is the library's last error. NULL: it is unknown. */
const char *zookeeper_remedy_connection(const char *message);
/* Of a code that a server answered, for the end of a message; "": none is known. */
const char *zookeeper_remedy_answer(int code);
