# SPDX-License-Identifier: MIT
# The first C block of README.md.
/^```c$/ && !seen { inside = 1; seen = 1; next }
/^```$/ { inside = 0 }
inside { print }
