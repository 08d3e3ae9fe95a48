curl -X POST https://claribi.com/api/auth/token/refresh/ \
-H "Content-Type: application/json" \
-d '{"refresh": "eyJ0eXAi..."}'
