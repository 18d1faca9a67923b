# What instances use and hold on this host, apart from PostgreSQL. $1... are files of decrypted secrets. Prints
# `slice PROPERTY=VALUE` (an empty property between two slices), `data NAME` for each directory, `secret FILE` for each file
# that is there, and `demo FILE` when it holds one of the values that everybody knows from Supabase's examples.
set -u
systemctl show --property=Id,MemoryCurrent,MemoryMax 'supabase-*.slice' 2>/dev/null | sed 's/^/slice /'
for directory in /var/lib/supabase/*/; do
  if [ -d "$directory" ]; then directory=${directory%/}; echo "data ${directory##*/}"; fi
done
for file; do
  if ! [ -s "$file" ]; then continue; fi
  echo "secret $file"
  IFS= read -r value < "$file"
  # A demo API key is a token of issuer supabase-demo: in base64, wherever it begins (supabase-stack.md §2.3, §5).
  case $value in
    *c3VwYWJhc2UtZGVtb*|*N1cGFiYXNlLWRlbW*|*zdXBhYmFzZS1kZW1v*|*super-secret-jwt-token*|supabaserealtime|SAMPLE_KEY) echo "demo $file" ;;
  esac
done
exit 0
