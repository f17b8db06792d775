"""The loss of Losses over Labels as a module: vote loss, penalties, weights."""
