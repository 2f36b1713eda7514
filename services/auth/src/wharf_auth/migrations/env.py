from servicekit.database.migrating import run_env

run_env("wharf_auth_revision")
