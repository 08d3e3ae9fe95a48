curl -H "Authorization: Bearer claribi_your_api_key" \
https://claribi.com/api/v1/auth/verify/
