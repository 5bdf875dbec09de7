#!/bin/bash
# Fails if a folder under src/separatrix includes one at its own level or above. Run by ctest.
declare -A level=([base]=0 [tasks]=1 [kernels]=1 [model]=1 [bounds]=2 [nn]=2 [codes]=2 [proofs]=3 [train]=3 [refute]=3
                  [lab]=4 [report]=5 [cli]=6)
bad=0
while IFS=: read -r file line text; do
  from=$(cut -d/ -f3 <<<"$file"); to=$(sed -E 's/.*"separatrix\/([a-z]+)\/.*/\1/' <<<"$text")
  [[ $from == "$to" ]] && continue
  if [[ -z ${level[$from]} || -z ${level[$to]} ]] || (( level[$to] >= level[$from] )); then
    echo "$file:$line: $from (level ${level[$from]}) must not include $to (level ${level[$to]})"; bad=1
  fi
done < <(grep -rnE '#include "separatrix/[a-z]+/' src/separatrix)
exit $bad
