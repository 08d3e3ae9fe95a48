curl -H "Authorization: Bearer eyJ0eXAi..." \
https://claribi.com/api/auth/status/
