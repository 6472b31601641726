"""What numbers allow to say: means and their differences, agreement of orders, ranks over data sets, leaderboards."""
