"""A pytest plugin: every Flask application keeps its sessions on the module unless a test says otherwise."""

import os

import flask
import redis

from redis_session_client.flask import SessionInterface

flask.Flask.session_interface = SessionInterface(redis.Redis.from_url(os.environ["SESSION_URL"]))
