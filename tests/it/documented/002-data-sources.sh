curl -H "X-API-Key: claribi_sk_live_your_key_here" \
https://claribi.com/api/data-sources/
