curl -X POST https://claribi.com/api/auth/login/ \
-H "Content-Type: application/json" \
-d '{"email": "you@example.com", "password": "your-password"}'
