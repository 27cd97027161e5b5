"""What recurs: networks from a history of plays to a vector of taste for each horizon."""
