"""What servers share: tokens, limits, listening and serving, and the adapter to AWS Lambda. It must not know any flag.

Nothing here is public. `tokens` needs PyJWT, `serverless` needs Mangum; the rest is bare ASGI.
"""
