#!/usr/bin/env python3
"""extract_examples.py FILE.md FOLDER: writes every ```cpp block that begins with `// path/name.cpp`
to FOLDER/name.cpp, so that the documentation is compiled as it stands. Prints the names."""

import os
import re
import sys

with open(sys.argv[1], encoding='utf-8') as file:
    blocks = re.findall(r'^```cpp\n(// (\S+\.cpp)\n.*?)^```$', file.read(), re.DOTALL | re.MULTILINE)
for text, path in blocks:
    target = os.path.join(sys.argv[2], os.path.basename(path))
    old = open(target, encoding='utf-8').read() if os.path.exists(target) else None
    if old != text:
        with open(target, 'w', encoding='utf-8') as file:
            file.write(text)
print(';'.join(os.path.basename(path) for _, path in blocks), end='')
