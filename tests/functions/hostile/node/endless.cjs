// A module that never ends.
"use strict";

for (;;);
