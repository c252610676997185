"""Doubles of Meta's Graph API and LinkedIn's REST API, as far as leads are concerned: real HTTP, a process of its own.

python -m leadhub.demo.doubles       prints {"url": …}, serves until its standard input ends
leadhub double                       the same for a person, until Ctrl-C

PUT  /_world     what it has and how it misbehaves: any of the fields of `world.World`
POST /_leads     {"leads": [{…}]}: leads that the platform has from now on
GET  /_seen      {"requests": n, "paths": […]}: what it was asked

…    /v26.0/…    as Graph: leads, forms, lists with cursors and filters, the page's apps, tokens
…    /rest/…     as LinkedIn: responses with their form, lists by owner and span, subscriptions
POST /oauth/v2/accessToken     as LinkedIn renews a token
"""
