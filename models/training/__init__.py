"""How weights come about: from shards of plays to a network and a second stage."""
