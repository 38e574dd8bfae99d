package main

import "github.com/spf13/cobra"

func newFirstHour() *cobra.Command { return &cobra.Command{Use: "first-hour"} }
