# English. One file a language: a third language is a copy of this file with its words in it.
# What stands in { } comes from the data: keep the names, put them where your grammar wants them. AMOUNT writes a
# quantity with its unit, AGAIN as it is said a second time, SIGNED with its sign, SIZE without it; CAPITAL begins a
# sentence with its words, WITHIN goes on in one.

-locale = en
-percent = #,##0 %
-money = ¤#,##0
-date = d MMMM y

# What the language calls itself.
language-name = English

list-facts = {"; "}
list-beside = { $one }; { $other }
list-joint = {", "}

## Bands, families, units

amount = { AMOUNT($n) }
signed = { SIGNED($n) }
share = { $n }

band-red = red
band-yellow = yellow
band-green = green
band-unknown = unknown

family-engagement = engagement
family-adoption = adoption
family-support = support
family-sentiment = sentiment
family-commercial = commercial
family-relationship = relationship
family-onboarding = onboarding
family-context = context

unit-things =
    { $n ->
        [one] { $n } { $one }
       *[other] { $n } { $many }
    }
unit-word = { $n } { $unit }
unit-users =
    { $n ->
        [one] { $n } user
       *[other] { $n } users
    }
    .again =
        { $n ->
            [0] none
           *[other] { $n }
        }
unit-people =
    { $n ->
        [one] { $n } person
       *[other] { $n } people
    }
    .again =
        { $n ->
            [0] none
           *[other] { $n }
        }
unit-contacts =
    { $n ->
        [one] { $n } contact
       *[other] { $n } contacts
    }
    .again =
        { $n ->
            [0] none
           *[other] { $n }
        }
unit-champions =
    { $n ->
        [one] { $n } champion
       *[other] { $n } champions
    }
    .again =
        { $n ->
            [0] none
           *[other] { $n }
        }
unit-admins =
    { $n ->
        [one] { $n } admin
       *[other] { $n } admins
    }
    .again =
        { $n ->
            [0] none
           *[other] { $n }
        }
unit-accounts =
    { $n ->
        [one] { $n } account
       *[other] { $n } accounts
    }
    .again =
        { $n ->
            [0] none
           *[other] { $n }
        }
unit-seats =
    { $n ->
        [one] { $n } seat
       *[other] { $n } seats
    }
    .again =
        { $n ->
            [0] none
           *[other] { $n }
        }
unit-days =
    { $n ->
        [one] { $n } day
       *[other] { $n } days
    }
unit-hours =
    { $n ->
        [one] { $n } hour
       *[other] { $n } hours
    }
unit-weeks =
    { $n ->
        [one] { $n } week
       *[other] { $n } weeks
    }
unit-months =
    { $n ->
        [one] { $n } month
       *[other] { $n } months
    }
unit-years =
    { $n ->
        [one] { $n } year
       *[other] { $n } years
    }
unit-events =
    { $n ->
        [one] { $n } event
       *[other] { $n } events
    }
    .again =
        { $n ->
            [0] none
           *[other] { $n }
        }
unit-logins =
    { $n ->
        [one] { $n } login
       *[other] { $n } logins
    }
    .again =
        { $n ->
            [0] none
           *[other] { $n }
        }
unit-sessions =
    { $n ->
        [one] { $n } session
       *[other] { $n } sessions
    }
    .again =
        { $n ->
            [0] none
           *[other] { $n }
        }
unit-touchpoints =
    { $n ->
        [one] { $n } touchpoint
       *[other] { $n } touchpoints
    }
    .again =
        { $n ->
            [0] none
           *[other] { $n }
        }
unit-times =
    { $n ->
        [one] { $n } time
       *[other] { $n } times
    }
    .again =
        { $n ->
            [0] none
           *[other] { $n }
        }
unit-tickets =
    { $n ->
        [one] { $n } ticket
       *[other] { $n } tickets
    }
    .again =
        { $n ->
            [0] none
           *[other] { $n }
        }
unit-invoices =
    { $n ->
        [one] { $n } invoice
       *[other] { $n } invoices
    }
    .again =
        { $n ->
            [0] none
           *[other] { $n }
        }
unit-surveys =
    { $n ->
        [one] { $n } survey
       *[other] { $n } surveys
    }
    .again =
        { $n ->
            [0] none
           *[other] { $n }
        }
unit-milestones =
    { $n ->
        [one] { $n } milestone
       *[other] { $n } milestones
    }
    .again =
        { $n ->
            [0] none
           *[other] { $n }
        }
unit-addons =
    { $n ->
        [one] { $n } add-on
       *[other] { $n } add-ons
    }
    .again =
        { $n ->
            [0] none
           *[other] { $n }
        }
unit-add-ons =
    { $n ->
        [one] { $n } add-on
       *[other] { $n } add-ons
    }
    .again =
        { $n ->
            [0] none
           *[other] { $n }
        }
unit-renewals =
    { $n ->
        [one] { $n } renewal
       *[other] { $n } renewals
    }
    .again =
        { $n ->
            [0] none
           *[other] { $n }
        }
unit-opportunities =
    { $n ->
        [one] { $n } deal
       *[other] { $n } deals
    }
    .again =
        { $n ->
            [0] none
           *[other] { $n }
        }
unit-features =
    { $n ->
        [one] { $n } feature
       *[other] { $n } features
    }
    .again =
        { $n ->
            [0] none
           *[other] { $n }
        }
unit-points =
    { $n ->
        [one] { $n } point
       *[other] { $n } points
    }
    .again = { $n }
unit-ratio = { $n }
unit-units = { $n }

## Reasons: how a measure's value is put into a sentence.
## $now is the measure's own `.now`; $n its value; $days the window; $before the value to compare with.

reason-window = { CAPITAL($now) } in the last { AMOUNT($days) }
reason-window-before = { CAPITAL($now) } in the last { AMOUNT($days) }, { AGAIN($before) } in the { AMOUNT($days) } before
reason-window-before-share = { CAPITAL($now) } in the last { AMOUNT($days) }, { AGAIN($before) } in the { AMOUNT($days) } before ({ SIGNED($change) })
reason-window-since = { CAPITAL($now) } in the last { AMOUNT($days) } ({ AGAIN($before) } on { $on })
reason-window-typical =
    { CAPITAL($now) } in the last { AMOUNT($days) } (similar accounts: { $n ->
        [0] { AMOUNT($typical) }
       *[other] { AGAIN($typical) }
    })
reason-window-more = { CAPITAL($now) } in the last { AMOUNT($days) }, more than { $share } of similar accounts
reason-window-less = { CAPITAL($now) } in the last { AMOUNT($days) }, less than { $share } of similar accounts
reason-window-peak = { CAPITAL($now) } in the last { AMOUNT($days) }, { AGAIN($peak) } at the peak of the last year
reason-window-gone = { CAPITAL($now) } in the last { AMOUNT($days) }, unlike the { AMOUNT($days) } before
reason-state = { CAPITAL($now) }
reason-state-since = { CAPITAL($now) } ({ AGAIN($before) } on { $on })
reason-state-ago = { CAPITAL($now) } ({ AMOUNT($days) } ago: { AMOUNT($before) })
reason-state-ago-share = { CAPITAL($now) } ({ AMOUNT($days) } ago: { AMOUNT($before) }, { SIGNED($change) })
reason-state-typical =
    { CAPITAL($now) } (similar accounts: { $n ->
        [0] { AMOUNT($typical) }
       *[other] { AGAIN($typical) }
    })
reason-state-more = { CAPITAL($now) }, more than { $share } of similar accounts
reason-state-less = { CAPITAL($now) }, less than { $share } of similar accounts
reason-word = { CAPITAL($label) }: { $word }
reason-yes = { CAPITAL($label) }: yes
reason-no = { CAPITAL($label) }: no
reason-absent = No value for { $label }
reason-other-signals =
    Other signals together: { SIGNED($points) } { $n ->
        [one] point
       *[other] points
    }

now-other = { $label }: { AMOUNT($n) }
now-of = { $label }: { $n } of { $whole }

compare-average = Accounts at low risk average { AMOUNT($low) }, at high risk { AMOUNT($high) }.
compare-some = { $low } of low-risk and { $high } of high-risk accounts have any.

## Measures: what each is called, and how its value is said

m-events =
    .label = events
    .meaning = Events in the last { $w } days.
    .now =
        { $n ->
            [0] no use
            [1] used once
           *[other] used { $n } times
        }
m-active_days =
    .label = active days
    .meaning = Days with an event in the last { $w } days.
    .now =
        { $n ->
            [0] no active days
            [one] { $n } active day
           *[other] { $n } active days
        }
    .window-more = { CAPITAL($now) } in the last { AMOUNT($days) }, more than { $share } of similar accounts
    .window-less = { CAPITAL($now) } in the last { AMOUNT($days) }, fewer than { $share } of similar accounts
m-active_day_rate =
    .label = share of days with use
    .meaning = Active days in the last { $w } days ÷ the days of them that could be observed.
    .now =
        { $n ->
            [0] no use
           *[other] used on { $n } of days
        }
m-active_users =
    .label = active users
    .meaning = Distinct users with an event in the last { $w } days.
    .now =
        { $n ->
            [0] no active users
            [one] { $n } active user
           *[other] { $n } active users
        }
    .window-less = { CAPITAL($now) } in the last { AMOUNT($days) }, fewer than { $share } of similar accounts
m-events_per_user =
    .label = events per active user
    .meaning = Events ÷ active users in the last { $w } days.
    .now =
        { $n } { $n ->
            [one] event
           *[other] events
        } per active user
m-stickiness =
    .label = share of active users on an average day
    .meaning = Mean daily active users ÷ active users, over the observable days of the last { $w } days.
    .now = on an average day { $n } of the active users come
m-weekday_share =
    .label = share of use on weekdays
    .meaning = Events from Monday to Friday ÷ all events in the last { $w } days.
    .now = { $n } of use on weekdays
m-longest_silence =
    .label = longest pause
    .meaning = Most consecutive days without an event among the observable days of the last { $w } days.
    .now =
        { $n ->
            [0] no day without use
           *[other] longest pause { AMOUNT($n) }
        }
m-days_since_last_event =
    .label = days since last use
    .meaning = Days from the last known event to `as_of`.
    .now =
        { $n ->
            [0] last used today
           *[other] last used { AMOUNT($n) } ago
        }
    .state-more = { CAPITAL($now) }, longer than { $share } of similar accounts
    .state-less = { CAPITAL($now) }, sooner than { $share } of similar accounts
    .absent = Never used
m-silence_in_usual_gaps =
    .label = silence against the usual gap since the start
    .meaning = Days since the last event ÷ the mean days from one active day to the next, over all before `as_of`.
    .now = silent { $n } times as long as its usual gap
    .state-since = { CAPITAL($now) }
    .state-previous = { CAPITAL($now) }
    .state-typical = { CAPITAL($now) }
    .state-more = { CAPITAL($now) }
m-mean_gap_days =
    .label = usual gap between active days
    .meaning = Mean days from one active day to the next, over all of them before `as_of`.
    .now = usually { AMOUNT($n) } from one day of use to the next
m-lifetime_active_day_rate =
    .label = share of days with use since the start
    .meaning = Days with an event before `as_of` ÷ the days of the account's life that could be observed.
    .now = used on { $n } of days since the start
m-lifetime_events_per_day =
    .label = use per day since the start
    .meaning = All events before `as_of` ÷ the days of the account's life that could be observed.
    .now = used { $n } times a day since the start
m-revenue_to_date =
    .label = paid so far
    .meaning = MRR of every term × the months (of 30.4375 days) that it ran before `as_of`, summed.
    .now = { $n } paid so far
m-silence_ratio =
    .label = silence against the usual gap
    .meaning = Days since the last event ÷ the mean gap between active days in the last { $w } days.
    .now = silent { $n } times as long as its usual gap
    .window = { CAPITAL($now) }
    .window-since = { CAPITAL($now) } ({ $before } times on { $on })
    .window-before = { CAPITAL($now) }
    .window-typical = { CAPITAL($now) }
    .window-more = { CAPITAL($now) }
    .window-less = { CAPITAL($now) }
m-active_weeks =
    .label = weeks with use
    .meaning = Of the whole weeks counted back from `as_of` within the last { $w } days, those with an event.
    .now = use in { AMOUNT($n) }
    .window = Used in { $n } of the last { AMOUNT($weeks) }
    .window-before = Used in { $n } of the last { AMOUNT($weeks) }, { AGAIN($before) } of the { AMOUNT($weeks) } before
    .window-since = Used in { $n } of the last { AMOUNT($weeks) } (in { AMOUNT($before) } on { $on })
    .window-typical = Used in { $n } of the last { AMOUNT($weeks) } (similar accounts: { $typical })
    .window-less = Used in { $n } of the last { AMOUNT($weeks) }, fewer than { $share } of similar accounts
m-users_gained =
    .label = new users
    .meaning = Users active in the last { $w } days and not in the { $w } days before.
    .now =
        { $n ->
            [0] no new users
            [one] { $n } new user
           *[other] { $n } new users
        }
    .window-less = { CAPITAL($now) } in the last { AMOUNT($days) }, fewer than { $share } of similar accounts
m-users_lost =
    .label = users who fell silent
    .meaning = Users active in the { $w } days before and not in the last { $w } days.
    .now =
        { $n ->
            [0] no user fell silent
            [one] { $n } user fell silent
           *[other] { $n } users fell silent
        }
m-logins =
    .label = logins
    .meaning = Login events in the last { $w } days.
    .now =
        { $n ->
            [0] no logins
            [one] { $n } login
           *[other] { $n } logins
        }
    .window-less = { CAPITAL($now) } in the last { AMOUNT($days) }, fewer than { $share } of similar accounts
m-login_rate =
    .label = share of users who log in
    .now = { $n } of the users logged in
m-days_since_last_login =
    .label = days since the last login
    .meaning = Days from the last known login to `as_of`.
    .now =
        { $n ->
            [0] last login today
           *[other] last login { AMOUNT($n) } ago
        }
    .state-more = { CAPITAL($now) }, longer than { $share } of similar accounts
    .state-less = { CAPITAL($now) }, sooner than { $share } of similar accounts
    .absent = Nobody has logged in yet
m-events_of =
    .label = use of { $kind }
    .meaning = Events of kind “{ $kind }” in the last { $w } days.
    .now =
        { $kind } { $n ->
            [0] not used
            [one] used once
           *[other] used { $n } times
        }
    .window-gone = { CAPITAL($kind) } no longer used: not once in the last { AMOUNT($days) }
    .window-less = { CAPITAL($now) } in the last { AMOUNT($days) }, less than at { $share } of similar accounts
    .window-more = { CAPITAL($now) } in the last { AMOUNT($days) }, more than at { $share } of similar accounts
m-share_of =
    .label = share of { $kind } in all use
    .meaning = “{ $kind }” events ÷ all events in the last { $w } days.
    .now = { $kind } make up { $n } of use
m-value_of =
    .label = total value of { $kind }
    .meaning = Sum of the values of “{ $kind }” events in the last { $w } days.
    .now = { $kind } add up to { $n }
m-features_used =
    .label = features used
    .meaning = Distinct kinds of event in the last { $w } days.
    .now =
        { $n ->
            [0] nothing used
            [one] { $n } feature used
           *[other] { $n } features used
        }
    .window-less = { CAPITAL($now) } in the last { AMOUNT($days) }, fewer than { $share } of similar accounts
m-core_feature_share =
    .label = share of core features used
    .meaning = Core features used in the last { $w } days ÷ all core features.
    .now =
        { $n ->
            [0] no core feature used
           *[other] { $n } of the core features used
        }
    .now-of =
        { $n ->
            [0] none of the { $whole } core features used
           *[other] { $n } of { $whole } core features used
        }
m-features_gained =
    .label = features taken up
    .meaning = Kinds used in the last { $w } days and not in the { $w } days before.
    .now =
        { $n ->
            [0] no feature taken up
            [one] { $n } feature taken up
           *[other] { $n } features taken up
        }
m-features_lost =
    .label = features given up
    .meaning = Kinds used in the { $w } days before and not in the last { $w } days.
    .now =
        { $n ->
            [0] no feature given up
            [one] { $n } feature given up
           *[other] { $n } features given up
        }
m-seat_activation =
    .label = seats ever activated
    .meaning = Distinct users ever active ÷ seats under contract, at most 100 %: a seat may be handed on.
    .now =
        { $n ->
            [0] no seat ever activated
           *[other] { $n } of the seats ever activated
        }
    .now-of = { $n } of { $whole } seats ever activated
m-former_user_share =
    .label = share of users who left
    .meaning = Users ever active but not in the last { $w } days ÷ users ever active.
    .now = { $n } of all users so far not seen
m-seat_utilisation =
    .label = seats in use
    .meaning = Active users of the last { $w } days ÷ seats under contract.
    .now =
        { $n ->
            [0] no seat in use
           *[other] { $n } of the seats in use
        }
    .now-of = { $n } of { $whole } seats in use
    .window-more = { CAPITAL($now) } in the last { AMOUNT($days) }, a higher share than { $share } of similar accounts
    .window-less = { CAPITAL($now) } in the last { AMOUNT($days) }, a lower share than { $share } of similar accounts
m-events_per_seat =
    .label = events per seat
    .meaning = Events of the last { $w } days ÷ seats under contract.
    .now =
        { $n } { $n ->
            [one] event
           *[other] events
        } per seat
m-tickets_opened =
    .label = tickets opened
    .meaning = Tickets opened in the last { $w } days.
    .now =
        { $n ->
            [0] no tickets opened
            [one] { $n } ticket opened
           *[other] { $n } tickets opened
        }
    .window-less = { CAPITAL($now) } in the last { AMOUNT($days) }, fewer than { $share } of similar accounts
m-tickets_open =
    .label = open tickets
    .meaning = Tickets that were open at `as_of`: not solved by then, or reopened since.
    .now =
        { $n ->
            [0] no open tickets
            [one] { $n } open ticket
           *[other] { $n } open tickets
        }
    .state-less = { CAPITAL($now) }, fewer than { $share } of similar accounts
m-oldest_open_ticket_days =
    .label = age of the oldest open ticket
    .meaning = Days since the oldest open ticket was opened.
    .now = oldest open ticket waiting for { AMOUNT($n) }
    .state-more = { CAPITAL($now) }, longer than at { $share } of similar accounts
    .state-less = { CAPITAL($now) }, less long than at { $share } of similar accounts
m-urgent_ticket_share =
    .label = share of urgent tickets
    .meaning = Tickets of high or urgent priority ÷ tickets opened in the last { $w } days.
    .now =
        { $n ->
            [0] no urgent ticket
           *[other] { $n } of the tickets urgent
        }
    .now-of =
        { $n ->
            [0] none of { $whole } tickets urgent
           *[other] { $n } of { $whole } tickets urgent
        }
m-first_response_hours =
    .label = hours to the first answer
    .meaning = Mean hours from opening to the first answer, over tickets first answered in the last { $w } days.
    .now = first answers took { AMOUNT($n) } on average
    .window-more = { CAPITAL($now) } in the last { AMOUNT($days) }, longer than at { $share } of similar accounts
    .window-less = { CAPITAL($now) } in the last { AMOUNT($days) }, quicker than at { $share } of similar accounts
m-resolution_hours =
    .label = hours to resolution
    .meaning = Mean hours from opening to solving, over tickets solved in the last { $w } days.
    .now = solving a ticket took { AMOUNT($n) } on average
    .window-more = { CAPITAL($now) } in the last { AMOUNT($days) }, longer than at { $share } of similar accounts
    .window-less = { CAPITAL($now) } in the last { AMOUNT($days) }, quicker than at { $share } of similar accounts
m-ticket_resolution_rate =
    .label = share of tickets solved
    .meaning = Tickets opened in the last { $w } days and not open at `as_of` ÷ tickets opened in them.
    .now =
        { $n ->
            [0] no ticket solved
           *[other] { $n } of the tickets solved
        }
    .now-of =
        { $n ->
            [0] none of { $whole } tickets solved
           *[other] { $n } of { $whole } tickets solved
        }
m-tickets_reopened =
    .label = tickets reopened
    .meaning = Tickets reopened in the last { $w } days.
    .now =
        { $n ->
            [0] no ticket reopened
            [one] { $n } ticket reopened
           *[other] { $n } tickets reopened
        }
m-tickets_escalated =
    .label = tickets escalated
    .meaning = Tickets escalated in the last { $w } days.
    .now =
        { $n ->
            [0] no ticket escalated
            [one] { $n } ticket escalated
           *[other] { $n } tickets escalated
        }
m-csat =
    .label = satisfaction with support (1–5)
    .meaning = Mean satisfaction given in the last { $w } days, 1 to 5.
    .now = support satisfaction { $n } of 5
    .window-more = { CAPITAL($now) } in the last { AMOUNT($days) }, higher than at { $share } of similar accounts
    .window-less = { CAPITAL($now) } in the last { AMOUNT($days) }, lower than at { $share } of similar accounts
m-nps_last =
    .label = latest NPS answer (0–10)
    .meaning = Score of the latest NPS answer known; the mean where several came at the same moment.
    .now = latest NPS answer { $n } of 10
    .state-previous = { CAPITAL($now) }, { $before } the time before
    .state-more = { CAPITAL($now) }, higher than { $share } of similar accounts
    .state-less = { CAPITAL($now) }, lower than { $share } of similar accounts
m-nps_age_days =
    .label = age of the latest NPS answer
    .meaning = Days from the latest NPS answer to `as_of`.
    .now = latest NPS answer { AMOUNT($n) } old
    .state-more = { CAPITAL($now) }, older than at { $share } of similar accounts
    .state-less = { CAPITAL($now) }, newer than at { $share } of similar accounts
m-nps_change =
    .label = change of NPS
    .meaning = Latest NPS answer − the one before it.
    .now = NPS answer { SIGNED($n) } against the one before
m-survey_response_rate =
    .label = survey response rate
    .meaning = Surveys sent in the last { $w } days and answered before `as_of` ÷ surveys sent in them.
    .now =
        { $n ->
            [0] no survey answered
           *[other] { $n } of the surveys answered
        }
m-survey_silence_days =
    .label = days without a survey answer
    .meaning = Days since the last survey answer of any kind; since the first survey sent when none was ever answered.
    .now = no survey answered for { AMOUNT($n) }
    .state-more = { CAPITAL($now) }, longer than at { $share } of similar accounts
    .state-less = last survey answered { AMOUNT($n) } ago, sooner than at { $share } of similar accounts
    .state-typical = { CAPITAL($now) } (similar accounts: { AMOUNT($typical) })
m-tenure_days =
    .label = tenure
    .meaning = Days from the account's first known fact to `as_of`.
    .now = customer for { AMOUNT($n) }
    .state-more = { CAPITAL($now) }, longer than { $share } of similar accounts
    .state-less = { CAPITAL($now) }, less long than { $share } of similar accounts
m-plan =
    .label = plan
    .meaning = Plan of the main term running on the day before `as_of`.
m-mrr =
    .label = MRR
    .meaning = Monthly recurring revenue of the terms running on the day before `as_of`.
    .now = pays { $n } a month
    .state-more = Pays more than { $share } of similar accounts ({ $n } a month)
    .state-less = Pays less than { $share } of similar accounts ({ $n } a month)
m-seats =
    .label = seats
    .meaning = Seats of the plans running on the day before `as_of`.
    .now =
        { $n ->
            [0] no seats
            [one] { $n } seat
           *[other] { $n } seats
        }
    .state-less = { CAPITAL($now) }, fewer than { $share } of similar accounts
m-mrr_per_seat =
    .label = MRR per seat
    .meaning = MRR ÷ seats under contract.
    .now = pays { $n } per seat and month
    .state-more = Pays more per seat than { $share } of similar accounts ({ $n } a month)
    .state-less = Pays less per seat than { $share } of similar accounts ({ $n } a month)
m-discount_rate =
    .label = discount
    .meaning = Discount on the list price of the main plan.
    .now =
        { $n ->
            [0] no discount
           *[other] discount of { $n }
        }
m-billing_period_months =
    .label = billing period
    .meaning = Months billed at once on the main plan.
    .now =
        { $n ->
            [1] billed monthly
            [12] billed yearly
           *[other] billed every { AMOUNT($n) }
        }
    .state-more = { CAPITAL($now) }
    .state-less = { CAPITAL($now) }
    .state-typical = { CAPITAL($now) }
m-auto_renew =
    .label = automatic renewal
    .meaning = 1 when the main plan renews by itself, 0 when not.
    .yes = Renews automatically
    .no = Does not renew automatically
m-addons =
    .label = add-ons
    .meaning = Add-on terms running on the day before `as_of`.
    .now =
        { $n ->
            [0] no add-ons
            [one] { $n } add-on
           *[other] { $n } add-ons
        }
m-term_days =
    .label = length of the term
    .meaning = Agreed length of the main plan's running term.
    .now = term of { AMOUNT($n) }
    .state-more = { CAPITAL($now) }, longer than at { $share } of similar accounts
    .state-less = { CAPITAL($now) }, shorter than at { $share } of similar accounts
m-days_into_term =
    .label = days since the term began
    .meaning = Days from the start of the main plan's running term to `as_of`.
    .now =
        { $n ->
            [0] the term began today
           *[other] the term began { AMOUNT($n) } ago
        }
    .state-more = { CAPITAL($now) }
    .state-less = { CAPITAL($now) }
    .state-typical = { CAPITAL($now) }
m-days_to_renewal =
    .label = days to renewal
    .meaning = Days from `as_of` to the next end of a running plan, as agreed or known by then.
    .now =
        { $n ->
            [0] renewal due today
           *[other] { AMOUNT($n) } to renewal
        }
    .late = renewal overdue by { AMOUNT($n) }
    .state-more = { CAPITAL($now) }
    .state-less = { CAPITAL($now) }
    .state-typical = { CAPITAL($now) }
m-renewals_so_far =
    .label = renewals so far
    .meaning = Plan terms begun before `as_of`, the first one not counted.
    .now =
        { $n ->
            [0] not renewed yet
            [one] renewed once so far
           *[other] renewed { $n } times so far
        }
    .state-typical = { CAPITAL($now) } (similar accounts: { $typical })
m-mrr_change =
    .label = MRR
    .meaning = MRR at `as_of` against { $w } days before: (now − then) ÷ then.
m-seats_change =
    .label = seats
    .meaning = Seats at `as_of` against { $w } days before: (now − then) ÷ then.
m-price_change =
    .label = price per seat
    .meaning = MRR per seat at `as_of` against { $w } days before: (now − then) ÷ then.
    .state-ago = Price per seat { $n } a month ({ AMOUNT($days) } ago: { $before })
    .state-ago-share = Price per seat { $n } a month ({ AMOUNT($days) } ago: { $before }, { SIGNED($change) })
m-events_per_mrr =
    .label = events per MRR
    .meaning = Events of the last { $w } days ÷ MRR.
    .now = { $n } events per unit of MRR
m-invoices_overdue =
    .label = overdue invoices
    .meaning = Invoices whose due day is before `as_of` and that were not paid by then; credit notes do not count.
    .now =
        { $n ->
            [0] no invoice overdue
            [one] { $n } invoice overdue
           *[other] { $n } invoices overdue
        }
    .state-less = { CAPITAL($now) }
    .state-more = { CAPITAL($now) }
m-overdue_amount =
    .label = overdue amount
    .meaning = Sum of the overdue invoices.
    .now =
        { $n ->
            [0] nothing overdue
           *[other] { $n } overdue
        }
m-oldest_overdue_days =
    .label = longest delay of payment
    .meaning = Days since the oldest overdue invoice was due.
    .now = oldest unpaid invoice { AMOUNT($n) } late
m-payment_delay_days =
    .label = delay of payment
    .meaning = Mean days from the due day to payment, over invoices paid in the last { $w } days; negative = early.
    .now = paid { AMOUNT($n) } after the due day
    .late = paid about { AMOUNT($n) } late
    .early = paid about { AMOUNT($n) } early
    .punctual = paid on the due day
    .most-late = most pay { AMOUNT($n) } late
    .most-early = most pay { AMOUNT($n) } early
    .most-punctual = most pay on the due day
    .window-typical = { CAPITAL($now) } in the last { AMOUNT($days) }; { $most }
    .window-since = { CAPITAL($now) } in the last { AMOUNT($days) } ({ $most } on { $on })
    .window-before = { CAPITAL($now) } in the last { AMOUNT($days) }; { $most } in the { AMOUNT($days) } before
    .was-late = { AMOUNT($n) } late
    .was-early = { AMOUNT($n) } early
    .was-punctual = on the due day
m-opportunities_open =
    .label = open deals
    .meaning = Opportunities opened before `as_of` and not closed by then.
    .now =
        { $n ->
            [0] no open deals
            [one] { $n } open deal
           *[other] { $n } open deals
        }
m-opportunities_won =
    .label = deals won
    .meaning = Opportunities won in the last { $w } days.
    .now =
        { $n ->
            [0] no deal won
            [one] { $n } deal won
           *[other] { $n } deals won
        }
m-opportunities_lost =
    .label = deals lost
    .meaning = Opportunities lost in the last { $w } days.
    .now =
        { $n ->
            [0] no deal lost
            [one] { $n } deal lost
           *[other] { $n } deals lost
        }
m-contacts_active =
    .label = contacts in place
    .meaning = Contacts in a role at `as_of`, as known by then.
    .now =
        { $n ->
            [0] no contact in place
            [one] { $n } contact in place
           *[other] { $n } contacts in place
        }
    .state-less = { CAPITAL($now) }, fewer than { $share } of similar accounts
m-champions_active =
    .label = champions and sponsors in place
    .meaning = Contacts in the role of champion or sponsor at `as_of`.
    .now =
        { $n ->
            [0] no champion or sponsor in place
            [one] { $n } champion or sponsor in place
           *[other] { $n } champions or sponsors in place
        }
    .state-since =
        { $n ->
            [0] The last champion or sponsor left ({ $before } in place on { $on })
           *[other] { CAPITAL($now) } ({ $before } on { $on })
        }
    .state-less = { CAPITAL($now) }, fewer than { $share } of similar accounts
m-champions_left =
    .label = champions or sponsors who left
    .meaning = Champions and sponsors who left in the last { $w } days, as known by `as_of`.
    .now =
        { $n ->
            [0] no champion or sponsor left
            [one] { $n } champion or sponsor left
           *[other] { $n } champions or sponsors left
        }
m-admins_left =
    .label = admins who left
    .meaning = Admins who left in the last { $w } days, as known by `as_of`.
    .now =
        { $n ->
            [0] no admin left
            [one] { $n } admin left
           *[other] { $n } admins left
        }
m-touchpoints_inbound =
    .label = contacts begun by the customer
    .meaning = Calls, mails and meetings begun by the customer in the last { $w } days.
    .now =
        { $n ->
            [0] no word from the customer
            [one] { $n } call, mail or meeting begun by the customer
           *[other] { $n } calls, mails or meetings begun by the customer
        }
    .window-less = { CAPITAL($now) } in the last { AMOUNT($days) }, fewer than at { $share } of similar accounts
    .window-more = { CAPITAL($now) } in the last { AMOUNT($days) }, more than at { $share } of similar accounts
m-touchpoints_outbound =
    .label = contacts begun by us
    .meaning = Calls, mails and meetings begun by the vendor in the last { $w } days.
    .now =
        { $n ->
            [0] no call, mail or meeting begun by us
            [one] { $n } call, mail or meeting begun by us
           *[other] { $n } calls, mails or meetings begun by us
        }
    .window-less = { CAPITAL($now) } in the last { AMOUNT($days) }, fewer than at { $share } of similar accounts
    .window-more = { CAPITAL($now) } in the last { AMOUNT($days) }, more than at { $share } of similar accounts
m-days_since_last_touchpoint =
    .label = days since the last contact
    .meaning = Days from the last touchpoint of either direction to `as_of`.
    .now =
        { $n ->
            [0] last contact today
           *[other] last contact { AMOUNT($n) } ago
        }
    .state-more = { CAPITAL($now) }, longer than at { $share } of similar accounts
    .state-less = { CAPITAL($now) }, sooner than at { $share } of similar accounts
m-campaign_response_rate =
    .label = campaign response rate
    .meaning = Recipients of campaigns delivered in the last { $w } days who opened, clicked or replied before `as_of` ÷ all.
    .now =
        { $n ->
            [0] nobody responded to campaigns
           *[other] { $n } responded to campaigns
        }
m-milestones_done =
    .label = milestones reached
    .meaning = Milestones reached before `as_of`.
    .now =
        { $n ->
            [0] no milestone reached
            [one] { $n } milestone reached
           *[other] { $n } milestones reached
        }
    .state-less = { CAPITAL($now) }, fewer than { $share } of similar accounts
m-milestones_overdue =
    .label = milestones overdue
    .meaning = Milestones whose due day is before `as_of` and that were not reached by then.
    .now =
        { $n ->
            [0] no milestone overdue
            [one] { $n } milestone overdue
           *[other] { $n } milestones overdue
        }
m-onboarding_completion =
    .label = onboarding completed
    .meaning = Onboarding milestones reached ÷ onboarding milestones planned before `as_of`.
    .now =
        { $n ->
            [0] no onboarding milestone reached
           *[other] { $n } of the onboarding milestones reached
        }
    .state-more = { CAPITAL($now) }, further than { $share } of similar accounts
    .state-less = { CAPITAL($now) }, less far than { $share } of similar accounts
m-days_to_first_value =
    .label = days to first value
    .meaning = Days from the account's first known fact to its first milestone of kind `value`.
    .now = first value reached after { AMOUNT($n) }
    .state-more = { CAPITAL($now) }, later than { $share } of similar accounts
    .state-less = { CAPITAL($now) }, sooner than { $share } of similar accounts
    .absent = First value not yet reached
m-days_since_last_milestone =
    .label = days since the last milestone
    .meaning = Days from the last milestone reached to `as_of`.
    .now =
        { $n ->
            [0] last milestone reached today
           *[other] last milestone reached { AMOUNT($n) } ago
        }
    .state-more = { CAPITAL($now) }, longer than at { $share } of similar accounts
    .state-less = { CAPITAL($now) }, sooner than at { $share } of similar accounts
    .absent = No milestone reached yet
m-attribute =
    .label = { $kind }
    .meaning = Account attribute “{ $name }” in the latest version known before `as_of`.

## Features: what those without an entry above are called, and what a missing value means

m-cohort_month =
    .label = month of the start
    .meaning = Month of the account's first known fact, counted from January 2000.
m-gap_variation =
    .label = irregularity of use
    .meaning = Standard deviation of the days from one active day to the next ÷ their mean, over all before `as_of`.
m-lifetime_value =
    .label = value of all events since the start
    .meaning = Sum of the values of all events before `as_of`.
m-lifetime_value_per_event =
    .label = value per event since the start
    .meaning = Sum of the values of all events before `as_of` ÷ their number.

missing-no_day_seen = no day of the window could be observed
missing-never = never missing
missing-no_plan_under = no plan is under contract at `as_of`, or it is open-ended
missing-no_plan_under_contract = no plan is under contract at `as_of`, or it carries no discount
missing-window_before_not = the window before was not wholly observable
missing-no_seats_under = no seats are under contract
missing-nobody_ever_active = nobody was ever active
missing-no_invoice_overdue = no invoice is overdue
missing-no_invoice_paid = no invoice was paid in the window
missing-no_plan_under_contract_as_of = no plan is under contract at `as_of`
missing-nothing_known_account = nothing is known of the account before `as_of`
missing-terms_run_but = terms run but none carries an MRR; 0 when no term runs
missing-plans_run_but = plans run but none carries seats; 0 when no plan runs
missing-terms_known_but = terms are known but none carries an MRR; 0 when no term is known
missing-account_no_mrr = the account had no MRR { $w } days before
missing-account_no_seats = the account had no seats { $w } days before
missing-no_price_per = no price per seat is known for both days
missing-account_has_no_mrr = the account has no MRR
missing-account_attribute_not = the account or its attribute was not known before `as_of`
missing-nobody_active_window = nobody was active in the window
missing-no_event_window = there was no event in the window
missing-no_event_known = no event is known
missing-no_event_known_no = no event is known or no day was active
missing-no_login_known = no login is known
missing-no_day_account = no day of the account's life could be observed
missing-fewer_than_2 = fewer than 2 active days are known
missing-fewer_than_3 = fewer than 3 active days are known
missing-no_milestone_planned = no milestone is planned
missing-no_onboarding_milestone = no onboarding milestone is planned
missing-no_value_milestone = no value milestone was reached yet
missing-no_milestone_reached = no milestone was reached yet
missing-no_touchpoint_known = no touchpoint is known
missing-no_campaign_delivered = no campaign was delivered in the window
missing-no_nps_answer = no NPS answer is known
missing-fewer_than_two = fewer than two NPS answers are known
missing-no_survey_sent = no survey was sent in the window
missing-no_survey_known = no survey is known
missing-no_ticket_opened = no ticket was opened in the window
missing-no_ticket_open = no ticket is open
missing-no_ticket_got = no ticket got its first answer in the window
missing-no_ticket_solved = no ticket was solved in the window
missing-no_satisfaction_given = no satisfaction was given in the window
missing-both_windows_0 = both windows are 0, or the one before was not wholly observable
missing-fewer_than_4 = fewer than 4 of the 12 weeks were observable, or all are 0
missing-fewer_than_5 = fewer than 5 rows share the `as_of`, or the measure is missing
missing-no_window_wholly = no window was wholly observable, or the peak is 0
feature-trend =
    .label = trend of { $of }
    .meaning = { CAPITAL($of) }: (last { $w } days − the { $w } days before) ÷ their sum, from −1 to 1.
feature-slope =
    .label = 12-week slope of { $of }
    .meaning = { CAPITAL($of) } per week: least-squares slope over the observable weeks of the last 12 ÷ their mean.
feature-from_peak =
    .label = drop of { $of } from their peak
    .meaning = { CAPITAL($of) }: 1 − last { $w } days ÷ the highest of the { $w }-day windows of the last 364 days.
feature-percentile =
    .label = { $of } among peers
    .meaning = Share of peers at the same `as_of` with a lower value of { $of }; ties count half.
    .over = Share of peers at the same `as_of` with a lower value of { $of } of the last { $days } days; ties count half.
missing-trend = both windows are 0, or the one before was not wholly observable
missing-slope = fewer than 4 of the 12 weeks were observable, or all are 0
missing-from_peak = no window was wholly observable, or the peak is 0
missing-percentile = fewer than { $least } rows share the `as_of`, or the measure is missing
off-not_asked = off unless `features.extra` names it
off-no_table = there is no table `{ $table }`
off-no_columns = `{ $table }` has no { $columns }
attribute-industry = industry
attribute-country = country
attribute-segment = segment
attribute-plan = plan
attribute-owner = owner
attribute-touch_model = touch model
attribute-phase = phase
attribute-employees = employees
attribute-csm_sentiment = csm sentiment
missing-user = the function gave no value

## Hard facts beside the score

fact-notice = Notice has been given
fact-invoice_overdue =
    { $n ->
        [one] { $n } invoice is overdue
       *[other] { $n } invoices are overdue
    }
fact-champion_left =
    { $n ->
        [one] { $n } champion or sponsor left in the last { AMOUNT($days) }
       *[other] { $n } champions or sponsors left in the last { AMOUNT($days) }
    }
fact-admin_left =
    { $n ->
        [one] { $n } admin left in the last { AMOUNT($days) }
       *[other] { $n } admins left in the last { AMOUNT($days) }
    }
fact-silence = Not used for { AMOUNT($n) }
fact-contract_end =
    { $n ->
        [0] The contract ends today and does not renew by itself
       *[other] The contract ends in { AMOUNT($n) } and does not renew by itself
    }

## Summaries

summary-none-kept = No reasons are kept for this date.
summary-unreadable = The reasons of this date were stored by another version and cannot be told any more; the next scoring tells them anew.
summary-model = { $chance } churn probability within { AMOUNT($days) }, { $times } × the average.
summary-model-reason = { $chance } churn probability within { AMOUNT($days) }, { $times } × the average. Most strongly associated with the risk: { WITHIN($reason) }.
summary-rules = Health by rules alone: { $band }.
summary-rules-reason = Health by rules alone: { $band }. Most strongly associated with the risk: { WITHIN($reason) }.
summary-rule = Health by rules alone: { $band }, with { $chance } churn probability by a rule instead of the model.
summary-rule-reason = Health by rules alone: { $band }, with { $chance } churn probability by a rule instead of the model. Most strongly associated with the risk: { WITHIN($reason) }.
summary-target = { $chance } probability of { $target } within { AMOUNT($days) }, { $times } × the average.
summary-target-reason = { $chance } probability of { $target } within { AMOUNT($days) }, { $times } × the average. Most strongly associated with it: { WITHIN($reason) }.
summary-target-rule = { $chance } probability of { $target } within { AMOUNT($days) }, { $times } × the average, by a rule instead of the model.
summary-target-rule-reason = { $chance } probability of { $target } within { AMOUNT($days) }, { $times } × the average, by a rule instead of the model. Most strongly associated with it: { WITHIN($reason) }.

target-churn = churn
target-expansion = expansion
target-contraction = contraction

## Notices beside a score

departed-ended = The contract ended on { $on }. This is its last score, of { $as_of }; it is frozen and will not change.
departed-notice = Notice was given on { $on }. This is its last score, of { $as_of }; it is frozen and will not change.
departed-silent = There has been no activity since { $on }. This is its last score, of { $as_of }; it is frozen and will not change.
departed-left = The account is no longer among those that are scored. This is its last score, of { $as_of }; it is frozen and will not change.
overridden = { $author } set the band to { $band } until { $until } (the score says { $system }): { $reason }

## What happened

event-term-began = Term of { $product } began
event-term-began-seats = Term of { $product } began ({ AMOUNT($seats) })
event-ticket-opened = Ticket opened
event-ticket-opened-urgent = Urgent ticket opened
event-ticket-escalated = Ticket escalated
event-ticket-reopened = Ticket reopened
event-survey = { $survey } answer: { $score }
event-left-champion = Champion left
event-left-sponsor = Sponsor left
event-left-admin = Admin left
event-left-contact = Contact left
event-touch-call-in = Call from the customer
event-touch-call-out = Call to the customer
event-touch-email-in = Mail from the customer
event-touch-email-out = Mail to the customer
event-touch-chat-in = Chat from the customer
event-touch-chat-out = Chat with the customer
event-touch-meeting = Meeting with the customer
event-touch-other-in = Contact from the customer
event-touch-other-out = Contact with the customer
event-invoice-unpaid = Invoice fell due unpaid
event-milestone = Reached: { $name }
event-milestone-unnamed = Milestone reached

## Alerts: what a rule has found on an account

alert-notice_given = Notice has been given
alert-champion_left =
    { $n ->
        [one] A champion left
       *[other] { AMOUNT($n) } left
    }
alert-silence = No use for { AMOUNT($n) }
alert-usage_collapse = Use fell by { AMOUNT($n) } against the four weeks before
alert-band_drop = The band has been worse for two readings; health is { AMOUNT($n) }
alert-score_fall = Health fell from { AGAIN($before) } to { AMOUNT($n) } within 30 days
alert-renewal_near = The contract ends in { AMOUNT($n) }, and the account is not green
alert-invoice_overdue =
    { $n ->
        [one] An invoice is overdue
       *[other] { AMOUNT($n) } are overdue
    }
alert-nps_detractor = The last NPS answer was { AMOUNT($n) } of 10
alert-onboarding_stalled = Onboarding has had no milestone for { AMOUNT($n) }
alert-score_unknown = Too little is known for a score
alert-score_stale = Less is known than before: the score rests on { AMOUNT($n) } of its weight, { AMOUNT($before) } before
alert-expansion_chance = { AMOUNT($n) } of the seats are in use, and the account is green
alert-own = { $title }

## Questions of churnml init

init-ask-timezone = In which time zone does { $tool } write times without one (e.g. { $file })?
init-ask-date_order = What stands first in the dates of { $tool } (e.g. { $file })?
init-ask-format = How are the dates of { $column } in { $file } written: { $options }?
init-ask-inclusive = Is { $column } in { $file } the first day no longer covered (exclusive), or the last day covered (inclusive)?
init-why-unreadable = it cannot be opened: { $said }
init-why-beside = it is { $known }, which is read beside other tables, or not at all
init-why-no_row = it is { $known }, of which no row counts (deleted, test or draft rows)
init-why-same = it is { $known }; { $better } says more about the same records
init-why-twice = it is { $known }, which feeds { $table } as { $other } does: two of them would count the same twice; swap them if this one is the more complete
init-why-preset = it looks like { $known }, but its preset does not fit: { $said }
init-why-empty = it holds no rows
init-why-no_table = its columns look like none of the canonical tables
init-why-lacking = it looks like { $table }, but nothing in it looks like { $columns }
init-why-fits_better = it looks like { $table }, which { $other } fits better
init-look-format = { $column }: { $raw } can be read as { $options }; e.g. { $examples }
init-look-units = { $column }: { $raw } is counted in several units ({ $units }); where only some of them are seats, write { $written }; where the other rows are add-ons, which alone keep no customer, also { $addon }
init-look-no_end = nothing looks like the agreed end of a contract: every contract runs on until it is terminated
init-look-inclusive = { $column }: { $raw } often falls on the last day of a month, so it may be the last day covered; { $column } is the first day no longer covered: then write { $written }
init-look-outcome = { $column }: { $raw } is read as { $words }; every other word is an open deal
init-look-nothing = no file looks like contracts or like usage: nothing can be predicted without one of them
init-look-silence = no file looks like contracts, so an account counts as lost when it is silent for silence_days
init-look-no_usage = no file looks like product usage: without it the model knows contracts and the rest only

## Pulls: what fetching from a tool came to

pull-calls = { $source }: { $n } calls, { $today } of { $most } today
pull-next = The next pull makes sense from { $at } on; it goes on where this one ended.
pull-stopped-budget = Ended early: the day's budget of { $n } calls is used up.
pull-stopped-limit = Ended early: the tool's own limit is used up ({ $said }).
pull-stopped-login = Ended early: the tool does not accept the login; reconnect ({ $said }).
pull-stopped-silent = Ended early: nobody answers ({ $said }).
pull-stopped-busy = Ended early: the tool cannot answer now ({ $said }).
pull-stopped-redirect = Ended early: the tool sends us on to { $said }; nothing is followed, as the login would go there too.
pull-stopped-refused = Ended early: the tool refuses ({ $said }).
pull-stopped-unreadable = Ended early: the answer is no JSON ({ $said }).
pull-stopped-shape = Ended early: the answer is not as the tool's documentation has it ({ $said }).
pull-stopped-clear = Ended early: a login is never sent in the clear to { $said }; write https.
pull-note-unknown = There is no object { $object }; known: { $known }.
pull-note-expired = { $object }: the place to go on from is no longer known to the tool ({ $said }); everything is fetched anew.
pull-note-locator = { $object }: the tool forgot the place between two pages; the query went on from { $since }.
pull-note-left-out = { $object } is left out ({ $said }).
pull-note-fields = { $object }: { $n } fields are left out, as a request holds no more.
pull-note-new-columns = { $object }: new columns { $columns }.
pull-note-gone-columns = { $object }: no longer sent { $columns }.

## Deliveries: a step of a playbook as a task

deliver-task_due = Due
deliver-task_done = Done by { $by }, { $day }. { $said }
deliver-task_skipped = Left out by { $by }, { $day }: { $said }
deliver-task_cancelled = Not needed any more: the alert behind it has ended.
deliver-task_waiting = Waits for other steps.

## Deliveries: an alert as a task, a card or a mail

deliver-subject = { $account }: { $why }
deliver-health = Health
deliver-score = { AMOUNT($n) } ({ $band })
deliver-probability = Churn probability
deliver-renewal = Contract ends in
deliver-loss = Avoidable loss
deliver-due = Answer by
deliver-day = { $day }
deliver-owner = Owner: { $owner }
deliver-open = Open the account
deliver-digest_subject =
    { $n ->
        [one] One open alert, { $day }
       *[other] { $n } open alerts, { $day }
    }
deliver-digest =
    { $n ->
        [one] One alert waits for an answer on { $day }.
       *[other] { $n } alerts wait for an answer on { $day }, the largest avoidable loss first.
    }

## The daily run

daily-subject_done = { $config }: the daily run of { $day } went well
daily-subject_failed = { $config }: the daily run of { $day } failed
daily-unforeseen = Run the stage by itself to see more, and report it.
daily-not_accepted = not accepted
daily-well = Every stage ended well.
daily-failed_at = Failed at { $stages }.
daily-still_served = The last good scores are still served, marked stale.
daily-where = churnml daily list CONFIG shows the last runs.
daily-stage_done = done, { $seconds } s
daily-stage_rows = { NUMBER($rows) }, { $seconds } s
daily-stage_unchanged = nothing new
daily-stage_not_due = not due
daily-stage_running = running
daily-stage_killed = the process ended before it
daily-stage_failed = failed: { $what }
daily-stage_skipped = left out, as it needs { $stages }
daily-missed = The daily run of { $day } has published no scores (it failed at { $stages }); these are the last good ones.
daily-late = The daily run is late: the last one began { $hours } hours ago.

## What limits a health score

health-rules_only = The model did not pass its gate, so the score is made of rules alone
health-another_target = The model predicts something else than churn, so the score is made of rules alone
health-no_model_score = There is no model score for this account, so the score is made of rules alone
health-model_red_cap = The model puts this account in the red zone, so the band is at most yellow
health-far_cap = Its renewal is more than { $days } days ahead, and of the accounts so far from it this is one of the likeliest to leave, so the band is at most yellow
health-low_coverage = Only { $share } of the score's weight has data, too little for a band
health-stale = The { $measure } is older than { AMOUNT($days) } and was left out

## Measures of the health score

measure-login_frequency = login frequency
measure-core_feature_use = use of core features
measure-ticket_volume = support tickets
measure-ticket_resolution = share of tickets solved
measure-nps = NPS answer
measure-csat = satisfaction with support
measure-time_to_renewal = time to renewal
measure-active_users = seats in use
measure-active_days = days of use
measure-usage_trend = change of use
measure-recency = days since last use
measure-activation = licences activated
measure-oldest_ticket = oldest open ticket
measure-overdue = overdue invoices
measure-contract_growth = change of contract value
measure-champion = champions who left
measure-contact = days since last contact
measure-onboarding = onboarding completed
measure-churn_model = risk by the churn model

## Settings

role-csm = CSM
    .can = Sees accounts; works on tasks, notes and overrides.
role-manager = Manager
    .can = Sees every account; works on tasks, notes and overrides; assigns.
role-data_scientist = Data scientist
    .can = Sees every account; writes notes and feedback.
role-admin = Administrator
    .can = All of that, and Settings.
severity-low = low
severity-medium = medium
severity-high = high
severity-critical = critical
settings-people = People
settings-person = Person
settings-keys = API keys
settings-rules = Rules and playbooks
settings-names = Names
settings-deliveries = Deliveries
settings-audit = Audit log
settings-done-added = Added. Make their sign-in link below.
settings-done-changed = Saved.
settings-done-signed_out = Signed out everywhere.
settings-done-disabled = Not let in any more.
settings-done-enabled = Let in again.
settings-done-revoked = The key is revoked.
settings-done-resent = It waits for the next delivery.
settings-fault-users_email = This is no mail address.
settings-fault-users_known = Somebody has this address already.
settings-fault-users_name = A name has 1 to 200 letters.
settings-fault-users_owner = An owner has up to 255 letters.
settings-fault-users_disabled = This person is not let in; let them in first.
settings-fault-mail_failed = The link was made, but the mail server did not take the mail; the service’s log says why. Make another and send it yourself.
settings-fault-own_role = Your own access stays: another administrator can change it.
settings-fault-key = A key needs a name, and 1 to { $days } days.
settings-fault-keys_no_scope = Choose what the key may do.
settings-email = Mail address
settings-name = Name
settings-role = Role
settings-owner = Owner of accounts
settings-as_browser = as their browser
settings-add_person = Add somebody
settings-add = Add
settings-add_note = The owner is who the accounts’ data names as their owner. It makes the list of one’s own accounts.
settings-seen = Last seen
settings-disabled = not let in
settings-not_signed_in = not signed in
settings-nobody = There is nobody yet. Add yourself first, as administrator.
settings-unclaimed = Owners without a person
settings-unclaimed_note = Their accounts are in nobody’s own list.
settings-accounts = Accounts
settings-link = Sign-in link
settings-link_note = It works once, until { $until }, and is not shown again.
settings-mailed = It was mailed to { $email }.
settings-save = Save
settings-access = Access
settings-disabled_since = Not let in since { $on }.
settings-enable = Let in again
settings-disable = Let in no more
settings-invite = Make a sign-in link
settings-sign_out = Sign out everywhere
settings-sessions = Sessions
settings-since = Since
settings-until = Until
settings-by = By
settings-by-link = link
settings-by-oidc = company account
settings-secret = The new key
settings-secret_note = Keep it: it is not shown again.
settings-make_key = Make a key
settings-key_for = For
settings-scopes = May
settings-scope-read = read
settings-scope-score = score
settings-scope-write = write
settings-scope-admin = everything
settings-days = Days
settings-id = Id
settings-state = State
settings-revoke = Revoke
settings-revoked = revoked
settings-expired = expired
settings-no_keys = There are no keys yet.
settings-api = What the API offers
settings-rules_note = Rules and playbooks stand in the config; here is what is in force, and what it did.
settings-alert_rules = Alert rules
settings-alerts_off = Alerts are off.
settings-evaluated = Opened at the last scoring, as of { $on }.
settings-never_evaluated = The rules have not gone over a scoring yet.
settings-budget =
    { $n ->
        [one] At most { $n } new alert an owner a week.
       *[other] At most { $n } new alerts an owner a week.
    }
settings-rule = Rule
settings-threshold = Threshold
settings-severity = Urgency
settings-due_hours = Hours to answer
settings-answers = Answers
settings-opened = Alerts opened
settings-tasks = Tasks begun
settings-held_back = Held back
settings-off = off
settings-try = Try a change
settings-try_note = See what changed rules, another budget or other playbooks would open on the newest scoring, before they are in force. Nothing is kept. Rules of your own modules stay as they are.
settings-try_open = Change and preview
settings-try_budget = New alerts an owner a week, at most
settings-try_more = Further rules, or changed playbooks
settings-try_rules_text = Rules, as under alerts.rules of the config (YAML); they win over the fields above
settings-try_playbooks_text = A whole file of playbooks (YAML); empty: those in force
settings-try_it = Preview
settings-try_rules = The same of a changed config, on the command line:
settings-on = On
settings-preview = What it would open
settings-preview_sum = On the scoring of { $on }, beyond what is open already: { $alerts ->
    [one] { $alerts } alert
   *[other] { $alerts } alerts
 } and { $tasks ->
    [one] { $tasks } task
   *[other] { $tasks } tasks
 }.
settings-preview_held = { $n ->
    [one] { $n } more alert waits, because its owner’s week is full.
   *[other] { $n } more alerts wait, because their owners’ week is full.
 }
settings-preview_not_contacted = { $n ->
    [one] An experiment leaves { $n } account alone.
   *[other] An experiment leaves { $n } accounts alone.
 }
settings-preview_closed = { $n ->
    [one] { $n } open alert ends, because its cause is gone.
   *[other] { $n } open alerts end, because their cause is gone.
 }
settings-preview_owners = For whom
settings-preview_now = Accounts, in force
settings-preview_then = Accounts, changed
settings-preview_new = New alerts
settings-preview_config = To put it in force, write this into the config; changed playbooks go into their own file.
settings-playbooks = Playbooks
settings-no_playbooks = The config names no playbooks.
settings-steps =
    { $n ->
        [one] { $n } step
       *[other] { $n } steps
    }
settings-within_days =
    { $days ->
        [one] within { $days } working day
       *[other] within { $days } working days
    }
settings-names_note = What raw names are called stands in the config under
settings-kind-event_types = Event types
settings-kind-attributes = Attributes
settings-kind-features = Measures of your own
settings-kind-plans = Plans
settings-kind-segments = Segments
settings-kind-owners = Owners
settings-raw = In the data
settings-shown_as = Shown as
settings-no_names = No names are set: what the data says is shown.
settings-targets = Targets
settings-no_targets = Nothing is delivered
settings-no_targets_note = Name targets under deliveries in the config: CRMs, chat, webhooks, mail, tables.
settings-outbox =
    { $n ->
        [one] { $n } change waits for
       *[other] { $n } changes wait for
    }
settings-target = Target
settings-delivery-waiting = waiting
settings-delivery-sending = being sent
settings-delivery-sent = sent
settings-delivery-accepted = accepted
settings-delivery-refused = refused
settings-delivery-unknown = outcome unknown
settings-paused = paused until
settings-failures =
    { $n ->
        [one] { $n } failure in a row
       *[other] { $n } failures in a row
    }
settings-fine = fine
settings-dead = Not delivered
settings-no_dead = Everything was taken.
settings-what = What
settings-said = What the target said
settings-tried = Tried
settings-resend = Send again
settings-resend_all = Send all again
settings-only_newest = Only the newest { $n } are shown.
settings-action = Action
settings-who = Who
settings-when = When
settings-subject = About
settings-detail = Detail
settings-all = all
settings-show = Show
settings-newer = Newer
settings-older = Older
settings-no_entries = No such changes.
settings-rule-notice_given = Notice given
settings-rule-champion_left = Champion left
settings-rule-silence = Silence
settings-rule-usage_collapse = Use collapsed
settings-rule-band_drop = Band got worse
settings-rule-score_fall = Health fell
settings-rule-renewal_near = Contract end near
settings-rule-invoice_overdue = Invoice overdue
settings-rule-nps_detractor = NPS detractor
settings-rule-onboarding_stalled = Onboarding stalled
settings-rule-score_unknown = Score unknown
settings-rule-score_stale = Score rests on less
settings-rule-expansion_chance = Chance to expand
settings-proxy_out = You are signed out here
    .text = The sign-in in front of these pages still knows you. To end that too:
settings-provider_out = You are signed out here
    .text = Your company’s sign-in still knows you, so one click brings you back. On a machine that others use, end that too:
settings-utc = Times are UTC.
settings-audit-users = People
settings-audit-sessions = Sign-in
settings-audit-keys = API keys
settings-audit-override = Bands set by hand
settings-audit-feedback = Feedback
settings-audit-alerts = Alerts
settings-audit-tasks = Tasks
settings-audit-notes = Notes
settings-audit-deliveries = Deliveries
settings-audit-cli = Command line

## Today

today-whose = Whose work
today-everybody = everybody
today-show = Show
today-work =
    { $n ->
        [one] { $n } account to look after
       *[other] { $n } accounts to look after
    }
today-worth = { $worth } could be kept, if contact helps as assumed
today-late = { $n } overdue
today-new_count = { $n } new since Monday
today-new = new
today-arr = ARR
today-ends = Contract ends
today-health = Health, 12 weeks
today-spark = Health over 12 weeks: from { $first } to { $last }
today-due = Due
today-owner = Owner
today-nobody = nobody
today-step = Next:
today-called = Called
today-done = Done
today-saved = Close as saved
today-snooze = Snooze
today-until = Until
today-not_a_risk = Not a risk
today-why = Why not?
today-reassign = Reassign
today-to = To
today-nothing = Nothing waits for you
today-nothing_more = Every alert has an answer. Have a look at the contracts that end soon.
today-nothing_mine = No accounts are yours yet. Ask an administrator to set your owner name.
today-look_ahead = Contracts that end within 90 days
today-rest =
    { $n ->
        [one] { $n } more account waits. You see { $capacity } at a time, the most valuable first.
       *[other] { $n } more accounts wait. You see { $capacity } at a time, the most valuable first.
    }
today-in_hand = In hand ({ $n })
today-beside = This week
today-moves = Band changes this week
today-moves_none = No account has changed its band since last week.
today-all = All
today-ending = Contracts ending within 90 days ({ $n })
today-ending_none = No contract ends within 90 days.
today-held = Waiting ({ $n })
today-held_text = Alerts beyond { $capacity } a week wait here, so that nobody drowns. They are shown as soon as there is room.
work-called = Called.
renewal-auto = renews by itself
renewal-manual = needs a signature
renewal-ends = notice given
done-called = Called { $name }.
done-done = Done: { $name }.
done-snoozed = Snoozed { $name }.
done-not_a_risk = { $name } is no risk. Thank you for saying why.
done-reassigned = { $name } has a new owner.
done-undone = Taken back.
done-noted = Note kept.
done-judged = Your judgement of { $name } is kept.
done-judgement_ended = Your judgement of { $name } has ended; the score counts again.
done-said_wrong = Thank you. Whoever looks after the model will see it.
done-skipped = Left out.
done-reopened = Open again.
done-assigned = Assigned.
done-view_kept = View kept.
done-view_dropped = View removed.

## Accounts

accounts-search = Name or id
accounts-any = any
accounts-within = within { $days } days
accounts-show = Show
accounts-count =
    { $n ->
        [one] { $n } account
       *[other] { $n } accounts
    }
accounts-shown = { $first }–{ $last }
accounts-clear = Clear filters
accounts-columns = Columns
accounts-views = Views
accounts-view_name = Name of this view
accounts-keep_view = Keep this view
accounts-drop_view = Remove
accounts-tick_all = Tick all on this page
accounts-tick = Tick { $name }
accounts-assign_to = Give the ticked accounts to
accounts-assign = Assign
accounts-pages = Pages of the list
accounts-previous = Previous
accounts-next = Next
accounts-page = Page { $page } of { $pages }
accounts-none = No account fits
accounts-none_text = Use fewer words or filters. Search looks at names and ids, in any width and case.
accounts-set_by = set by { $author }
accounts-col-name = Account
accounts-col-band = Band
accounts-col-health = Health
accounts-col-change = 30 days
accounts-col-why = Why
accounts-col-risk = Churn probability
accounts-col-arr = ARR
accounts-col-loss = Expected loss
accounts-col-owner = Owner
accounts-col-segment = Segment
accounts-col-plan = Plan
accounts-col-phase = Phase
accounts-col-ends = Contract ends
phase-onboarding = onboarding
phase-adoption = adoption
phase-utilisation = utilisation
phase-renewal = renewal

## Account

account-brief = Brief to print
account-back = Back to the account
# When it may be lost
account-survival = When it may be lost
account-survival_label = Chance of still being there: { $half } after { $months } months, { $end } after { $all }
account-survival_own = line: this account, shaded between its bounds
account-survival_peers = dashed: { $who }
account-survival_renewal = upright: the renewal on { $day }
account-survival_raising = What raises the risk at the renewal
account-survival_worth = Still worth { $value } ({ $low }–{ $high }): gross profit to come, later years counting less.
account-survival_note = The bounds say how far such accounts' chance moves when the model is fitted anew: the least uncertainty there is. What becomes of this one account they do not tell.
account-survival_on = until
account-survival_there = still there
account-survival_low = at least
account-survival_high = at most
account-survival_others = others
account-stands = How it stands
account-health = Health score
account-risk = Churn probability
account-within = within { $days } days, { $lift } × the average
account-coverage = { $share } of its weight has data
account-arr = ARR
account-loss = expected loss { $loss }
account-ends = Contract ends
account-owner = Owner
account-source_owner = in the CRM: { $owner }
account-segment = Segment
account-plan = Plan
account-phase = Phase
account-last_contact = Last contact
account-family = Parent and child accounts
account-part_of = Part of
account-together = With all below it { $n } accounts: ARR { $arr }, expected loss { $loss }
account-family_more = … and { $n } more
account-family_note = Each account counts once, over all levels. Scores are not rolled up: the risk of a group is not the mean of its accounts’.
account-next_task = Next task
account-by = by { $on }
account-judged = { $author } sees it as { $band } until { $until }; the score says { $system }.
account-changed = What changed
account-changed_nothing = Nothing has changed that you need to know.
account-reasons = Why
account-no_reasons = No reasons are kept for this date.
account-show_data = Show data
account-series = { $what } per week, { $n } weeks
account-series_events = Events in the product
account-series_users = Active users
account-series_tickets = Tickets opened
account-per_week = , per week
account-week_ending = Week ending
account-rows = What happened
account-when = When
account-what = What
account-as_of = Facts up to { $on }
account-fact_value = This account
account-fact_previous = Before
account-fact_typical = Typical of its peers
account-fact_low = Peers at low risk
account-fact_middle = Peers at middling risk
account-fact_high = Peers at high risk
account-fact_percentile = Peers below it
account-wrong = This is wrong
account-wrong_why = What is wrong with it?
account-send = Send
account-tasks = What to do
account-no_tasks = No playbook is under way.
account-suggested = suggested
account-closed = closed
account-tick = Done: { $title }
account-untick = Not done after all: { $title }
account-skip = Leave out
account-skip_why = Why is it not needed?
account-state_waiting = waits for the step before
account-state_done = done
account-state_skipped = left out
account-state_cancelled = cancelled
account-timeline = Timeline
account-timeline_empty = Nothing is on record yet. A note is a good beginning.
account-everything = all
account-more = Show { $n } more
account-beside = Beside it
account-history = Health over time
account-history_label = Health over time, from { $first } to { $last }
account-moved = Change
account-moves = Each reading, and what moved it
account-moved_by = Day, and what moved it
account-by_part = { $what } { $points }
account-by_facts = facts
account-by_weights = other weights
account-by_model = new model
account-by_risk = risk by the model
account-new_model = new model: what of this it made is not known
account-replayed = worked out later for that day
account-scorecard = By group
account-group = Group
account-group_score = Score
account-group_before = On { $on }
account-group_note = Scores of 0–100, 100 being healthiest. Below a group’s name: its part in the risk as the model sees it.
account-raises = raises the risk
account-lowers = lowers the risk
account-neutral = neutral
account-notes = Notes
account-note = Write a note
account-keep = Keep
account-judgement = Your own judgement
account-judge = Set a band yourself
account-band = Band
account-because = Because
account-until = Until the end of
account-judge_note = The score stays visible beside it.
account-end_judgement = End this judgement
account-what_if = What if …
account-what_if_measure = This measure
account-what_if_value = were
account-try_it = Try
account-what_if_result = Churn probability { $before } → { $after }, health { $health_before } → { $health_after }.
account-what_if_note = What the model associates with such a value, not what a change would cause.
timeline-contract = contract
timeline-support = support
timeline-survey = survey
timeline-person = people
timeline-contact = contact
timeline-score = score
timeline-alert = alert
timeline-task = task
timeline-note = note
timeline-task_done = Done: { $title }
timeline-task_skipped = Left out: { $title }
timeline-judged = Judged { $band } until { $until }
timeline-band = Band from { $before } to { $after }
timeline-new_model = (a new model took over)
timeline-alert_acknowledged = Alert taken in hand
timeline-alert_snoozed = Alert snoozed until { $until }
timeline-alert_reopened = Alert opened again
timeline-alert_reassigned = Alert given to { $owner }
timeline-closed_saved = Alert closed: saved
timeline-closed_lost = Alert closed: lost
timeline-closed_false_alarm = Alert closed: false alarm
timeline-closed_not_a_risk = Alert closed: not a risk
timeline-closed_cleared = Alert closed by itself: its cause is gone
## What the API offers

docs-title = API
docs-keys = Programs call it with a key:
docs-send = Send it as a header:
docs-operations = Operations
docs-scope = Scope
docs-or = or
docs-no_key = no key
docs-takes = takes
docs-parameters = Parameters
docs-field = Name
docs-place = In
docs-type = Type
docs-meaning = Meaning
docs-needed = needed
docs-call = A call to copy
docs-answer = An answer
docs-errors = Errors
docs-objects = Objects
docs-codes = Error codes
docs-codes_note = Every error has a stable code, made for programs.
docs-status = Status
docs-code = Code
docs-english = Operations and fields are described in English, as in the OpenAPI document.
docs-list = list of { $of }
docs-map = object of { $of }
docs-object = object
docs-most_characters = up to { $n } characters
docs-default = default { $value }

## Errors: what each code of the API means, and what is wrong with a form

problem-request-json = The body is not JSON
problem-request-cursor = No page has this cursor, or it is of another query
problem-request-method = The path does not take this method
problem-request-timeout = The body did not arrive in time
problem-request-too_large = The body is larger than allowed
problem-request-media_type = The body is not declared as application/json
problem-request-invalid = The request is JSON but not what the operation takes
problem-request-headers = A header has a value that cannot be
problem-features-unknown = A feature name is not one of the model's
problem-features-invalid = A feature has a value it cannot have
problem-batch-too_large = The batch has more items than allowed
problem-auth-missing = No API key was sent
problem-auth-invalid = The API key is not known, expired or revoked
problem-auth-scope = The API key lacks the scope that the operation needs
problem-auth-role = The role of who is signed in does not allow this
problem-auth-stranger = Who is signed in elsewhere is not known here, or not let in
problem-auth-link = The sign-in link was used, has ended or never was
problem-auth-provider = The identity provider did not sign anybody in
problem-auth-throttled = Too many wrong keys from this address
problem-form-token = The form was not sent by a page of this session
problem-rate-limited = The API key has used up its requests of this minute
problem-account-unknown = The scored snapshot does not have the account
problem-explanation-unknown = No explanation is stored for the account
problem-survival-unknown = No survival curve is stored for the account
problem-features-unknown_account = The features of the account are not stored (any more)
problem-override-unknown = No override is in force for the account
problem-alert-unknown = There is no such alert
problem-alert-state = The alert is not in a state for that
problem-task-unknown = There is no such task
problem-task-state = The task is not in a state for that
problem-path-unknown = There is no such path
problem-idempotency-mismatch = The idempotency key came with another request before
problem-service-no_snapshot = Nothing has been scored yet
problem-service-no_kpis = No KPIs have been published yet
problem-service-no_model = No model is loaded
problem-service-store = The store cannot be reached
problem-service-busy = The store is busy with other writes; nothing was stored
problem-service-connections = Too many connections are open
problem-service-timeout = The service did not answer in time
problem-service-error = A fault of the service, logged under the request id
form-unknown_choice = The page does not offer this. Open it again and choose anew.
form-tick_accounts = Tick the accounts to assign first.
form-no_alert = No alert was named.
form-one_delivery = Name one delivery, or one target.
form-day = The day must be written like 2026-12-31.
form-day_within_a_year = The day must lie between tomorrow and a year from now.
form-too_long = A field holds more than { $n } characters.
form-few_words = A field that needs a few words was left empty.
form-number = The form names a number that there is not.
form-character = The form holds a character that no text has.

## Details of the API's errors

detail-store = The store cannot be reached; try again later
detail-failed = The service failed; its log says why
detail-busy = The store is busy with other writes; nothing was stored, try again in a moment
detail-not_json = The body is not JSON: { $why }
detail-no_json = The body cannot be read as JSON in UTF-8
detail-half_character = The body is not JSON in UTF-8, or names half of a character (a lone surrogate)
detail-path = There is no such path; GET /v1/openapi.json lists them
detail-method = The path does not take { $method }
detail-nobody = Nobody is signed in
detail-wrong_keys = Too many wrong keys from this address
detail-own_machine = Without API keys only the service's own machine may call
detail-send_key = Send an API key: `Authorization: Bearer churnml_…`
detail-unknown_key = The API key is not known here
detail-key =
    .revoked = The API key { $key } is revoked
    .expired = The API key { $key } is expired
detail-media_type = Send the body with Content-Type: application/json; got { $got }
    .none = Send the body with Content-Type: application/json; got none
detail-too_large = A body may have { $n } bytes
detail-closed = The connection was closed before the body had arrived
detail-late_body = The body did not arrive within { $seconds } s
detail-rate = The key may send { $limit } requests a minute; the next one in { $wait } s
detail-late_write = The service did not answer in time; whether a write was stored anyway, its Idempotency-Key sent again tells
detail-no_curve = No survival curve is stored for account { $account }
detail-cursor = Send next_cursor of the page before, with the same filters
detail-no_kpis = No KPIs have been published yet; `churnml kpis CONFIG --publish` does
detail-by = by: published are { $known }
detail-whole = nothing but the whole
detail-one_of = must be one of: { $known }
detail-at = { $where }: { $what }
detail-scope = The API key { $key } lacks the scope { $scopes }
detail-batch = A batch may have { $most } items, this one has { $n }
detail-features = The features of { $account } are not stored (any more)
detail-refused = { $what } ({ $where })
    .expected = { $what } ({ $where }); expected: { $expected }
detail-no_feature = there is no feature { $name }; GET /v1/model lists the names
    .near = there is no feature { $name }; did you mean { $near }?
detail-no_features = { $n } feature names are unknown: { $first }
detail-feature = { $name } { $fault }
detail-must_be =
    .text = must be a text or null, got a number
    .number = must be a number or null, got a text
    .finite = must be a finite number or null
detail-no_snapshot = Nothing has been scored yet; `churnml score CONFIG` publishes a snapshot
detail-no_explanation = No explanation is stored for account { $account }
detail-no_account = The snapshot of { $as_of } has no account { $account }
    .near = The snapshot of { $as_of } has no account { $account }; did you mean { $near }?
detail-not_yours = There is no account { $account } among yours

## Errors that a CSM or an administrator meets

error-the =
    .alert = alert { $id }
    .task = task { $id }
error-no =
    .alert = There is no such alert
    .task = There is no such task
error-ids = `churnml { $what } list CONFIG` prints the ids.
error-alert_closed = This alert is closed
    .expected = state open, which opens it again
error-alert_outcome = An alert is closed with what came of it
    .expected = saved, lost, false_alarm or not_a_risk
error-alert_snooze = A snoozed alert needs the day on which it comes back
    .expected = a day after { $today }
error-task_reason = A task is skipped for a reason
    .expected = a few words
error-task_state =
    .ended = a task that is done or was skipped
    .open = a task that is open
    .before = that these are done or skipped before: { $steps }
error-no_override = No override is in force for account { $account }
error-key_name = A key needs a name that says who uses it
    .expected = 1 to { $most } characters, e.g. salesforce
    .long = { $n } characters
error-key_scope = There is no scope { $scope }
error-key_no_scope = A key needs a scope
error-key_time = A key must be valid for some time
error-no_key = There is no API key { $key }
    .remedy = `churnml keys list` prints the ids.
error-no_person = There is no such person
error-no_address = Nobody has the address { $address }
    .remedy = `churnml users list` prints everybody, `churnml users add` adds somebody.
error-address_taken = Somebody has this address already
    .remedy = Change them with `churnml users set`.
error-mail = This is no mail address
error-name = This is no name
    .expected = 1 to 200 letters
error-role = There is no role { $role }
error-owner = This is no owner
    .expected = up to 255 letters
error-language = There is no language { $language }
error-disabled = This person is not let in any more
    .remedy = `churnml users enable` lets them in again.
error-once = This idempotency key came with another request before
    .remedy = Use a new key for each new request, and the same key only to repeat one.
error-store_failed = The store failed
    .remedy = Check the disk's free space and the database server; nothing of this change was kept.
error-store_busy = The store is busy with other writes; nothing of this change was kept
    .remedy = Try again in a moment.
error-store_url = The store's URL cannot be used
    .expected = sqlite:///path/store.db or postgresql://user:password@host/database
error-store_newer = The store was made by a newer churnml
    .schema = schema { $number }
    .remedy = Update churnml; a schema is never taken back.
error-store_damaged = The store's file is damaged, or is no SQLite database
    .remedy = Put a backup in its place (docs/deploy.md, Backup), or move it away and score again.
error-store_unopened = The store cannot be opened
    .remedy = Check the path or the server's address, and that this user may write there.
error-taken_over = Another process has taken the deliveries over
    .remedy = It goes on where this one was; nothing is to be done.
error-near = did you mean { $near }?
error-one_of = one of { $names }
error-no_config = There is no config file { $file }
    .expected = a YAML file
    .remedy = Name the file of your config. `churnml init FOLDER` writes one for your data; `churnml simulate FOLDER --as salesforce` makes up a company with one.
error-config_encoding = The config is not UTF-8 text
    .got = byte 0x{ $byte } at position { $at }
    .remedy = Save the file as UTF-8.
error-config_empty = The config is empty
    .expected = a mapping of keys

## Errors: what a config, data, a model or a command makes impossible

fault-own_rule_built_in = There is a built-in alert rule { $kind } already
    .where = alert rule { $kind }
    .remedy = Give yours another name, or change the built-in one under alerts.rules.
fault-own_rule_none = The module { $name } defines no alert rule
    .remedy = Decorate a function with churnml.alert_rule.
fault-own_rule_failed = An alert rule of yours failed
    .where = alert rule { $kind }
    .expected = a Series of true and false, one an account
    .remedy = Correct the function, or take its module out of alerts.modules.
fault-own_rule_rows = An alert rule of yours returned another number of rows
    .where = alert rule { $kind }
    .got = { $n } values
    .expected = one for each of { $n } accounts
fault-playbook_twice = Two playbooks have one name
fault-step_twice = Two steps have one key
    .where = { $where }, step { $step }
fault-step_order = A step comes after one that does not stand before it
    .first = no `after` on the first step
    .where = { $where }, step { $step }
fault-no_playbook = There is no playbook { $playbook }
fault-no_rule = There is no alert rule { $kind }
    .remedy = A rule of your own needs `when`: a list of field with above, below or equals.
fault-api_unreachable = The API cannot be reached: { $error }
fault-api_answer = The API answered { $status } and not as it should
fault-champion_target = The model in use predicts { $model }, the config asks for { $asked }
    .remedy = Run `churnml train CONFIG`, and give mlflow.registered_model another name for each target.
fault-what_if_rows = What-if needs one account and at least one change
    .got = { $rows } rows, { $changes } changes
fault-what_if_context = { $name } is context: nobody can act on it
    .expected = an actionable feature that holds a number
    .remedy = `churnml features list` marks the actionable ones.
fault-no_outcome = There is no such outcome
fault-argument_text = An argument is not text
    .expected = text in { $encoding }
    .remedy = Set the terminal, or the script that starts churnml, to UTF-8.
fault-one_form = One form at a time
    .got = --csv and --json
    .expected = one of them
fault-kpis_later = The store holds the KPIs of a later day already
    .where = --publish, facts up to { $as_of }
    .remedy = Bring the raw data up to date; the kept KPIs stay as they are.
fault-force_reason = Promoting whatever the gate says needs a person's reason
    .expected = --force --reason '…', or neither
fault-one_subject = A subject is either an account or a person
    .expected = --account ID or --contact ID
fault-one_explanation = An explanation is either of one account or of all
    .expected = ACCOUNT_ID or --overall
fault-one_report = A report is either of one account or of all
    .expected = ACCOUNT_ID or --portfolio
fault-no_language = There is no such language
fault-demo_folder = The demo needs a config whose source is a folder
    .remedy = Use configs/demo.yaml.
fault-no_date = This is no date
fault-nothing_to_change = Nothing to change
    .expected = --name, --role, --owner, --lang or --email
fault-churn_only =
    .survival = A survival curve is about the risk of churn
    .store = What is kept in the store is about the risk of churn
    .deliveries = What is delivered is about the risk of churn
    .experiment = An experiment is about the risk of churn
    .alerts = Alerts are about the risk of churn
    .portfolio = The portfolio is about the risk of churn
    .overall = What matters over all accounts is about the risk of churn
    .health = The health score is about the risk of churn
    .service = The service is about the risk of churn
    .remedy = Use a config whose target is churn. Of { $target } there are scores.parquet, explanations.json and `churnml explain CONFIG ACCOUNT`.
fault-config_depth = The config is nested too deeply
    .remedy = Look for an alias (`*name`) inside what it stands for.
fault-config_secret = A secret stands in the config
    .expected = the name of an environment variable, such as ${ "{" }CHURNML_SECRET{ "}" }
    .remedy = Put it into the environment and its name here; then change it, as it may have been read.
fault-no_variable = The environment has no variable { $name }
    .remedy = Set it: export { $name }=…
fault-no_secret = The environment has no variable { $name }
    .remedy = Set it where churnml runs: export { $name }=…, or write it into the file that `secrets_file` names.
fault-secrets_unread = The file of secrets cannot be read
    .remedy = Write it with one NAME=value a line, or remove the key and use the environment.
fault-secrets_open = Others may read the file of secrets
    .got = mode { $mode }
    .expected = mode 0600
fault-secrets_line = A line of the file of secrets is none
    .where = { $where }, line { $number }
fault-no_mail_entry = There is no such entry of deliveries.emails
fault-mail = The mail was not sent
    .remedy = Check the section deliveries.emails; `churnml deliver check CONFIG` asks the server.
fault-webhook_extra = Signed webhooks need the extra `deliver`
    .remedy = Install it: pip install "churnml[deliver]"
fault-webhook_secret = A webhook's secret cannot be read
    .expected = whsec_ and base64
fault-duckdb_start = DuckDB did not start
    .remedy = Correct engine.memory_limit, engine.threads or engine.options in the config.
fault-spark_start = Spark did not start
    .remedy = Spark needs Java 17 or newer (JAVA_HOME), and the settings under engine.options must be Spark's.
fault-no_engine = There is no engine { $backend }
    .remedy = Correct engine.backend in the config.
fault-engine_refused = The engine { $backend } refused the connection
    .remedy = Correct engine.options: they are the arguments of ibis.{ $kind }.connect.
fault-engine_missing = The engine { $backend } is not installed
    .remedy = Run: pip install '{ $package }'
fault-budget = The budget is no time
    .expected = seconds, minutes or hours above zero, such as 300s, 5m or 1h
fault-optuna = Tuning needs the package optuna, which is not installed
fault-other_rows = The { $name } are not of the frame's rows
    .expected = the same accounts and dates, in order
fault-importance_rows = Importance needs rows, and the frame is empty
fault-no_segment_column = There is no column { $segment } to make segments of
    .expected = a column of the frame
fault-patterns_few = Patterns need churned accounts
    .got = { $n } accounts
    .expected = at least { $least }
fault-no_playbook_file = There is no playbook file
    .remedy = Copy configs/playbooks.yaml.
fault-no_playbooks = The file holds no playbooks
    .expected = a list under `playbooks`
fault-playbooks_yaml = The playbooks are not valid YAML
fault-playbook_wrong = A playbook is wrong
    .named = { $fault } { $name }
fault-reference_rows = An explanation's reference needs rows, each with a probability
    .got = { $rows } rows, { $chances } probabilities
fault-reference_format = This is not an explanation reference that this version can read
    .expected = format { $format }, as ExplainReference.as_dict gives it
    .remedy = Train again, which writes a new bundle.
fault-explanation_format = A stored explanation cannot be read by this version of churnml
    .where = account { $account }, as_of { $as_of }
    .expected = format { $format }
    .remedy = Run `churnml score CONFIG`: it explains every account anew.
fault-no_feature_left = No feature is left
    .expected = at least one family that the tables allow
    .remedy = Check features.families and features.exclude.
fault-no_family = There is no feature family { $family }
fault-no_extra = There is no measure { $name } that is off by itself
fault-no_event_kind = No event is of kind { $kind }
fault-no_attribute = Accounts have no attribute { $name }
    .remedy = Map it under tables.accounts, or take it out of { $where }.
fault-attribute_leaks = The attribute { $name } changes over time, and accounts carry no history: its value of today would leak into the past
    .expected = accounts with one row per version and a known_at
    .remedy = Map tables.accounts.columns.known_at, or take { $name } out of { $where }.
fault-spine_column = The spine has no column { $column }
fault-spine_empty = The spine has rows without a value
fault-spine_midnight = An as_of is not at midnight
    .expected = a date: midnight UTC at its start
fault-feature_twice = Two features have the same name: { $names }
    .got = one is built in or made of a kind of event, the other of your module or of another kind
    .remedy = Rename your feature or the kind of event (an `expr` on event_type), or leave one out with features.exclude.
fault-user_none = The module { $name } defines no feature
    .remedy = Decorate a function with churnml.features.feature.
fault-user_number = A feature's function returned no number
    .expected = an aggregate of the rows, e.g. rows.count() or (rows.category == 'billing').sum()
fault-user_column = A feature's function returned no column of the frame's length
    .got = { $type } of { $values } values
    .expected = a Series of { $rows } values
fault-user_failed =
    .refused = A feature of yours cannot be made: the engine refuses what it returned
    .column = A feature of yours cannot be made: what it returned is no column of numbers
    .raised = A feature of yours cannot be made: it failed
    .remedy = Correct the function, or take its module out of features.modules.
fault-user_word =
    .table = There is no canonical table { $word }
    .family = There is no feature family { $word }
fault-no_feature_of =
    .family = There is no feature family { $asked }
    .kind = There is no feature kind { $asked }
fault-no_feature = There is no feature { $name }
    .listed = a name that `churnml features list` prints
fault-no_feature_fits = No feature of this config fits
    .remedy = `churnml features list CONFIG` counts what there is; a pattern has a *, e.g. 'tickets_*'.
fault-feature_unmade = The feature { $name } cannot be made
    .unlike = a catalogue with it, but tables and config without what it needs
    .table = a catalogue with it, but no table `{ $table }`
    .users = a catalogue with it, but no `user_id` in `events`
    .remedy = Use the tables and the config that the catalogue was made with, or train anew.
fault-no_target = There is no such target
    .none = a target in the section `deliveries`
fault-translation = A translated playbook does not fit its playbook
    .none = no such playbook
    .unlike = another number of steps, or no title
    .form = `title` and as many `steps` as the playbook
fault-settings_number = This is no number
fault-yaml = The config is not valid YAML
    .variable = Inside { "{" }…{ "}" } a variable needs quotes: "{ $name }".
    .signs = Correct the line; a text that holds a sign of YAML's own (: # { "{" } [ & * !) needs quotes.
fault-health_churned = A health backtest needs readings of accounts that churned
    .got = { $rows } labelled readings, { $churned } churned
    .remedy = Give it more past dates.
fault-no_health = No account has a health score, so no threshold can be proposed
fault-weights = Health weights cannot be learned from this history
    .got = { $accounts } churned accounts, { $positives } churned of { $rows } labelled rows
    .expected = at least { $least } churned accounts, and some that stayed
    .remedy = Use health.preset: balanced.
fault-reading_twice = A reading stands twice in the history
    .expected = one row per account and date
fault-reading_account_twice = A reading holds an account twice
    .expected = one date per reading
fault-other_frame = The backtest's predictions are not of this frame
    .where = fold { $name }
    .got = { $n } of { $all } rows found
fault-scale_empty = A health scale needs a reference cohort, and the frame is empty
fault-scale_scores = alpha is `fitted`, so HealthScale.fit needs the scores of its frame
fault-scale_format = This is not a health scale that this version can read
    .expected = format { $format }, as HealthScale.as_dict gives it
    .remedy = Train again, which writes a new bundle.
fault-points_order = The points of a health measure are not in order of value
    .expected = strictly increasing values
fault-points_scores = The scores of a health measure must lie in 0–100 and go one way only
fault-group_weight = The health group { $group } has measures but no weight
    .expected = a weight for { $group }
    .remedy = Add `{ $group2 }: 10` under health.weights.
fault-no_group = There is no health group { $group }
fault-weight_negative = A health weight is negative
fault-no_segments = There are weights per segment, but the features hold no segment
    .expected = one of the features { $names }
    .remedy = Map accounts.segment and name it under features.attributes.
fault-no_segment = There is no segment { $word }
    .expected = did you mean { $twin }?
fault-no_phase = There is no phase { $word }
fault-base_rate = The base rate must lie in (0, 1]
fault-verdict = Unknown verdict
fault-feature_row_twice = A row stands twice in the feature frame
    .where = account { $account }
    .expected = one row
fault-score_row_twice = A row stands twice in the scores
    .where = account { $account }
    .expected = one row
fault-own_module =
    .features = The feature module { $name } cannot be imported
    .alerts = The module of alert rules { $name } cannot be imported
    .expected = an installed module's dotted name, or a .py file relative to the config
    .at = { $file }, line { $line }
fault-not_scored = Nothing has been scored yet
    .remedy = Run `churnml score CONFIG`.
fault-features_gone = The features of the newest snapshot are not kept any more
    .where = snapshot of { $as_of }
    .remedy = Run `churnml score CONFIG` again.
fault-alert_nothing = Nothing is asked of the alert
    .expected = a state, an owner or a note
fault-task_nothing = Nothing is asked of the task
    .expected = done, skipped, another owner or a note
fault-no_backup = The file is no backup of churnml
    .expected = what `churnml backup` has written
fault-other_backup = The backup is one of another company
fault-pull_failed = { $failed } of { $all } sources could not be fetched
    .remedy = Run `churnml pull CONFIG`; what had come in before is kept.
fault-targets_stopped = { $stopped } of { $all } targets had to be left alone
    .remedy = What is due waits, and is sent by the next run; `churnml deliver check CONFIG` says what is wrong.
fault-no_configs = The folder holds no config
    .expected = files that end in .yaml
fault-memory = An amount of memory cannot be read
    .expected = 8GB or 512MB
fault-nothing_again = Nothing is named that is to be sent again
    .expected = ids, or --target NAME for all of it
fault-no_letter = No dead letter has this number
    .remedy = `churnml deliver list CONFIG` prints the numbers.
fault-no_target_on = The config names no target that is on
    .expected = a section such as `deliveries: { "{" }tables: { "{" }bi: { "{" }folder: bi{ "}" }{ "}" }{ "}" }`
    .remedy = docs/deliveries.md has one page a target.
fault-no_folder = There is no such folder or file
    .remedy = Name the folder with your raw files.
fault-config_there = There is a config already
    .remedy = Name another file with --out, or replace it with --yes.
fault-nothing_readable = The folder holds no file that can be read
    .expected = CSV, TSV, JSON, Parquet or Excel, also packed with gzip, zstandard or zip; DuckDB or SQLite
fault-nobody_drawn = No account has been drawn yet
    .got = experiment { $name }
    .remedy = Set `experiments: { "{" }enabled: true, arr_below: …{ "}" }` and score; lots are drawn where alerts open.
fault-daily_busy = A daily run of { $name } is at work already
    .remedy = Nothing is to be done: it goes on. `churnml daily list CONFIG` shows how far it is.
fault-explanations_unread = The explanations of the last scoring cannot be read
    .remedy = Run `churnml score CONFIG` again.
fault-no_snapshot = No snapshot has been scored yet
    .remedy = Run `churnml score CONFIG` (or `churnml run CONFIG`) first.
fault-promote_reason = The gate promotes by itself what is better by more than noise; anything else needs a person's reason
    .remedy = `churnml models compare CONFIG A B` shows the two side by side.
fault-predictions_unread = The predictions of a backtest cannot be read
    .remedy = Restore the file from a backup, or remove it; the next training writes its own.
fault-held_back = Publishing is held back, as the data raises alarms
    .expected = what monitoring.publish_if: { $publish_if } lets through
    .remedy = docs/monitoring.md says what each code means. The scores published before stay served; to publish all the same, set monitoring.publish_if: always.
fault-no_tool = The config names no tool to pull from
    .expected = a section such as `sources: { "{" }desk: { "{" }pull: { "{" }zendesk: { "{" }url: …, user: …, api_token: ${ "{" }NAME{ "}" }{ "}" }{ "}" }{ "}" }{ "}" }`
    .remedy = docs/pull.md says for every tool how its login is made.
fault-no_source = There is no source { $name } to pull
fault-pull_busy = Another pull of this source is at work
    .remedy = Wait until it is done; it goes on by itself.
fault-snapshot_features_gone = The snapshot's features are no longer kept
    .remedy = Run `churnml score CONFIG` again.
fault-setting = A setting is not of the form feature=number
fault-no_verdict = A model without a verdict is not bundled
    .remedy = Backtest it first: `fit(…, backtest=…)`.
fault-no_bundle = There is no bundle { $name }/{ $version }
    .remedy = `churnml train CONFIG` makes one.
fault-none_promoted = No model of { $name } has been promoted yet
    .got = { $n } trained, none let through
    .remedy = `churnml train CONFIG` says why; with --force --reason '…' a person overrides it.
fault-none_trained = No model of { $name } has been trained yet
    .remedy = Run `churnml train CONFIG` (or `churnml run CONFIG`) first.
fault-mlflow = MLflow refused
    .remedy = Check mlflow.tracking_uri in the config and that its server answers.
fault-mlflow_database = MLflow's database cannot be used
    .remedy = Restore it from a backup, or move it away: the next training begins a new one.
fault-no_version = There is no bundle { $name }/{ $version }
    .remedy = `churnml models list CONFIG` lists them.
fault-promotions_damaged = The record of promotions is damaged
    .remedy = Restore it from a backup, or move it away: a new record begins with the champion in use.
fault-no_rollback = There is no earlier champion to go back to
    .remedy = `churnml models promote CONFIG VERSION --force --reason …` takes any version that `models list` shows.
fault-no_backtest = A backtest report needs at least one backtest
fault-no_grouping = Accounts have no attribute { $name }
fault-grouping_leaks = The attribute { $name } changes over time, and accounts carry no history: its value of today would be read into the past
    .expected = accounts with one row per version and a known_at
    .remedy = Map tables.accounts.columns.known_at, or leave out --by { $name2 }.
fault-rows_key = The rows to score have no { $key }
    .expected = account_id, as_of and the model's features
fault-bento_folder = The folder for the bento is not empty
    .remedy = Name a new one.
fault-oidc_extra = Signing in by OpenID Connect needs a further package
fault-insecure_host = Without API keys the service listens on this machine only
    .expected = 127.0.0.1 or ::1
    .remedy = Leave out --insecure and make a key: `churnml keys create NAME`.
fault-host = This host has no address
fault-port = The service cannot listen on port { $port }
    .remedy = Another program may listen there; choose another port with --port.
fault-serve_config = The service does not know which config to serve
    .where = environment variable { $name }
    .remedy = Start it with `churnml serve CONFIG`, or set the variable to the config's path.
fault-bento_store = A bento holds no store: say which one to use
    .where = environment variable { $name }
    .expected = postgresql://user:password@host/database, or sqlite:////absolute/path/store.db
fault-workers = The number of workers cannot be
fault-simulate_accounts = Too few accounts for a company
    .expected = 10 or more
fault-simulate_months = The length cannot be simulated
    .expected = 3 to 120
fault-simulate_seed = A seed is not negative
    .expected = 0 or more
fault-simulate_rate = The churn rate is out of range
    .expected = 0.001 to 0.15 a month
fault-simulate_start = The data starts in the middle of a month
fault-simulate_tool = Not a tool that can be written
fault-simulate_folder = The folder is not empty
    .remedy = Name a new folder.
fault-simulate_other = The folder holds something else than a simulated company
    .remedy = Name an empty or a new folder.
fault-no_plan_rows = No subscription keeps any account alive
    .got = { $n } rows, all add-ons or of no length
    .expected = rows with is_addon false and an end after the start
    .remedy = Check the mapping of is_addon, started_on and ends_on.
fault-no_snapshot_date = No snapshot date fits the observed period
    .got = from { $start } to { $end }
    .expected = at least one as_of in it
    .remedy = Check snapshots.first, snapshots.last and the dates in the data.
fault-before_renewals = Snapshots before renewals need contracts
    .remedy = Use snapshots.every instead.
fault-as_of_outside = The as_of date lies outside the observed period
    .expected = after { $first } and at most { $last }
    .remedy = Choose a date inside, or extract newer data.
fault-split_not_known = A fixed split has no training snapshot whose labels were known before its test period
    .got = training until { $trained }, test from { $tested }
    .expected = { $days } days between: gap, horizon, grace and settling
    .remedy = Move the bounds, or extract more data.
fault-split_leaks = { $name } leaks: the labels of its last training snapshot reach into the test period
    .got = { $days } days between { $trained } and { $tested }
    .expected = at least { $days } days
    .remedy = Train until { $until } at the latest.
fault-connect_extra = Pulling needs the extra `connect`
    .remedy = Run: pip install 'churnml[connect]'
fault-landing = What was pulled cannot be landed
    .remedy = Nothing is lost: the next pull goes on from there. Look whether another program holds the file.
fault-no_store = There is no store to back up
fault-store_restore = The store cannot be put back
    .remedy = Take another backup; the store is as it was.
fault-not_sqlite = Only a store in a SQLite file is backed up by churnml
    .remedy = Use the server's own tools, such as pg_dump and pg_restore; docs/operations.md has the commands.
fault-curve_format = A stored curve cannot be read by this version of churnml
    .where = account { $account }
    .expected = format { $format }
    .remedy = Run `churnml score CONFIG`: it tells the curve of every account anew.
fault-not_json = A value of type { $type } cannot be stored as JSON
fault-no_score_column = The scores to publish have no column { $column }
fault-account_twice = { $n } accounts stand twice in the scores to publish
fault-probability = A churn probability is not in 0–1
fault-band = A band is not one
fault-no_zone = scored_at has no zone
fault-no_table = There is no table { $name }
    .expected = one of { $names }
    .remedy = Map a raw table to { $name } in the config, or turn off what needs it.
fault-no_period = The observed period cannot be told
    .remedy = Pass observed_from and observed_until.
fault-calibration = The model's calibration cannot be read
    .got = method { $method } with { $n } numbers
    .expected = none (0), platt (2), beta (3) or isotonic (an even number)
fault-feature_missing = The feature { $column } is missing from the rows
    .columns = { $n } columns
    .near = { $n } columns, the nearest is { $near }
    .expected = every feature of the model; null where the value is unknown
    .remedy = Compute the features with the config the model was trained with.
fault-feature_type = A numeric feature holds something that is no number
    .expected = numbers, null where unknown; declare words as categorical
fault-no_rows = There is no labelled row to train on
    .expected = snapshots whose label window is wholly observed
    .remedy = Extract a longer history, or shorten label.horizon_days.
fault-few_lost = Too few accounts were lost to learn when: { $n }
    .got = { $snapshots } snapshots, { $n } decisions and months lived through
    .expected = at least { $least } (model.min_churners)
    .remedy = Extract a longer history, or lower model.min_churners.
fault-hazard_unread = The hazard model cannot be read
    .remedy = Restore the bundle, or train again with this version of churnml.
fault-curve_columns = The snapshots lack what a survival curve is made of
    .expected = spine and features, joined with snapshots.coming_decisions and snapshots.seen_ends
    .remedy = Add the columns with these two functions.
fault-model_format = The model has another format
    .remedy = Train again with this version of churnml.
fault-model_unread = The model cannot be read
    .remedy = Restore the bundle, or train again.
fault-model_file = The model has no file { $name }
    .none = no files
    .remedy = Restore the bundle, or train again.
fault-model_json = The file { $name } is no JSON
fault-old_rule = The rule that gives this model's probabilities was written by an older version
    .where = rule { $name }
    .remedy = Train again with this version of churnml; the bundle before stays as it is.
fault-no_scorecard = The reference rule needs a scorecard
fault-model_params = The LightGBM parameter { $name } cannot be set
    .expected = objective, threads and determinism are fixed; classes are not weighted, the probability is calibrated instead; `seed` is a key of its own
fault-uplift_share = A share that is held out does not lie between 0 and 1
    .got = { $min } to { $max }
    .remedy = Leave rows out that chance did not draw.
fault-uplift_blocks = There are too few blocks to leave one out
    .expected = 2 or more
    .remedy = Make them with `time_blocks`.

## Errors: what a training, a bundle or a lookup comes to

target-happened =
    .churn = churned
    .expansion = expanded
    .contraction = contracted
target-held =
    .churn = stayed
    .expansion = did not expand
    .contraction = did not contract
fault-split_empty =
    .train = A fixed split has no labelled training snapshot
    .test = A fixed split has no labelled test snapshot
    .dates = dates between { $first } and { $last }, the labelled snapshots
    .move = Move the bounds, or extract more data.
fault-one_class =
    .every = Every account { $happened } in every snapshot
    .none = No account { $happened } in any snapshot
    .got = { $positives } { $happened } of { $rows } labelled rows, as_of { $first } to { $last }
    .both = some of both
    .change = Check label.change_share and label.expansion_by, and the mapping of mrr, seats and opportunities; a longer label.horizon_days or a longer history also helps.
    .ends = Check label.churn, label.grace_days and the mapping of subscription ends: an end that every export row carries is often the billing period's, not the contract's.
    .silence = Check label.silence_days and label.activity: events that go on without a customer hide a silence; a longer history also helps.
    .mapping = Check label.churn and the mapping of ends (ends_on, terminated_on); a longer label.horizon_days or a longer history also helps.
fault-few_churners = Only { $n } of { $accounts } accounts { $happened }
    .got = snapshots from { $first } to { $last }, { $days } days ahead of each
    .expected = at least { $least } (model.min_churners)
    .change = Check label.change_share, label.expansion_by and the mapping of mrr, seats and opportunities. If it is so, few leave: a longer history or label.horizon_days gives more of them, and until then health goes by rules (health.alpha: 0).
    .silence = Check label.silence_days and label.activity: events that go on without a customer hide a silence. If it is so, few leave: a longer history or label.horizon_days gives more of them, and until then health goes by rules (health.alpha: 0).
    .mapping = Check label.grace_days and the mapping of ends (ends_on, terminated_on): an end that the export does not show cannot be learnt. If it is so, few leave: a longer history or label.horizon_days gives more of them, and until then health goes by rules (health.alpha: 0).
fault-no_cohort = No account is in the cohort of any snapshot
    .remedy = Check the cohort section and that subscriptions or events cover the snapshot dates.
fault-no_label = No snapshot has a final label
    .got = { $rows } rows, the oldest as_of is { $first }
    .expected = { $days } observed days after a snapshot (gap + horizon + grace + settle)
    .remedy = Extract a longer history, or shorten label.horizon_days.
fault-no_fold = The history is too short for a single honest backtest fold
    .got = { $n } labelled snapshots from { $first } to { $last }, at most { $churners } accounts that { $happened } to train on
    .expected = { $snapshots } test snapshots, { $purge } days before them purged, and training snapshots with { $least } such accounts before that
    .remedy = Extract a longer history, lower splits.test_snapshots, shorten label.horizon_days, or take weekly snapshots.
fault-training_rows = { $n } { $happened } of { $rows } rows, as_of { $first } to { $last }
fault-training_none = No account { $happened } in the training period
    .expected = at least { $least } accounts that { $happened } and as many that { $held }
    .check-churn = Check label.churn and the mapping of subscription ends; a longer horizon or history also helps.
    .check-expansion = Check label.change_share, label.expansion_by and the mapping of mrr, seats and opportunities; a longer horizon or history also helps.
    .check-contraction = Check label.change_share and the mapping of mrr; a longer horizon or history also helps.
fault-training_every = Every account { $happened } in the training period
    .expected = some that { $held }
    .check-churn = Check label.churn and the mapping of subscription ends, label.grace_days, and whether the export holds only such customers.
    .check-expansion = Check label.change_share, label.expansion_by and the mapping of mrr, seats and opportunities, and whether the export holds only such customers.
    .check-contraction = Check label.change_share and the mapping of mrr, and whether the export holds only such customers.
fault-training_few = Too few accounts { $few } in the training period to learn from: { $n }
    .expected = at least { $least } (model.min_churners)
    .remedy = Extract a longer history, lengthen label.horizon_days, or lower model.min_churners.
fault-no_account = Account { $account } is not in the scored snapshot
    .known = one of { $n } accounts, such as { $example }
    .remedy = It may be new, or have left before anything was scored; the cohort section says who is scored.
fault-nothing_known =
    .account = Nothing is known of this account
    .contact = Nothing is known of this contact
    .check = Check the id, as churnml knows it: `churnml explain CONFIG ACCOUNT` names the near one.
fault-cohort_empty = No account is in the cohort
    .at = as_of { $as_of }
    .near = as_of { $as_of }, within { $days } days of a renewal
    .remedy = Check the cohort section, and that subscriptions or events cover that date.
fault-pointer = The file that names the champion is damaged
    .empty = it names no version
    .remedy = Restore it from a backup, or name the champion: `churnml models promote CONFIG VERSION --force --reason …`; `churnml models list CONFIG` shows the versions.
fault-bundle_broken = The model bundle cannot be used: { $why }
    .remedy = Restore the folder from a backup, or train again.
fault-bundle_unusable = The model bundle cannot be used
    .remedy = Restore the folder from a backup, or train again.
bundle-why =
    .missing = the file { $file } is missing
    .altered = the file { $file } does not match its checksum
    .unread = { $file } cannot be read ({ $why })
    .format = { $file } is not a manifest of format { $format } ({ $fault })
fault-unforeseen = { $type }: { $said }
fault-never_back = The store's schema is never taken back
    .remedy = Restore the copy that was made before the update.
fault-no_change =
    .expansion = Nothing in the data shows an expansion
    .contraction = Nothing in the data shows a contraction
    .got = subscriptions without MRR
    .got-rising = subscriptions without MRR and seats, and no opportunities
    .map = Map subscriptions.mrr.
    .map-rising = Map subscriptions.mrr, subscriptions.seats or the opportunities.

## Validation: what is wrong with a value of a request or a config

validation-missing = Field required
validation-extra_forbidden = Extra inputs are not permitted
validation-string_type = Input should be a valid string
validation-string_too_short = String should have at least { $min_length ->
        [one] { $min_length } character
       *[other] { $min_length } characters
    }
validation-string_too_long = String should have at most { $max_length ->
        [one] { $max_length } character
       *[other] { $max_length } characters
    }
validation-string_pattern_mismatch = String should match pattern '{ $pattern }'
validation-int_type = Input should be a valid integer
validation-int_parsing = Input should be a valid integer, unable to parse string as an integer
validation-int_from_float = Input should be a valid integer, got a number with a fractional part
validation-float_type = Input should be a valid number
validation-float_parsing = Input should be a valid number, unable to parse string as a number
validation-finite_number = Input should be a finite number
validation-bool_type = Input should be a valid boolean
validation-bool_parsing = Input should be a valid boolean, unable to interpret input
validation-dict_type = Input should be a valid dictionary
validation-list_type = Input should be a valid list
validation-tuple_type = Input should be a valid tuple
validation-model_attributes_type = Input should be a valid dictionary or object to extract fields from
validation-model_type = Input should be an object
validation-greater_than = Input should be greater than { $gt }
validation-greater_than_equal = Input should be greater than or equal to { $ge }
validation-less_than = Input should be less than { $lt }
validation-less_than_equal = Input should be less than or equal to { $le }
validation-literal_error = Input should be { $expected }
validation-enum = Input should be { $expected }
validation-date_type = Input should be a valid date
validation-date_parsing = Input should be a valid date in the format YYYY-MM-DD, { $error }
validation-date_from_datetime_parsing = Input should be a valid date or datetime, { $error }
validation-date_from_datetime_inexact = Datetimes provided to dates should have zero time - e.g. be exact dates
validation-datetime_type = Input should be a valid datetime
validation-datetime_parsing = Input should be a valid datetime, { $error }
validation-datetime_from_date_parsing = Input should be a valid datetime or date, { $error }
validation-timezone_aware = Input should have timezone info
validation-too_short = It should have at least { $min_length } items, not { $actual_length }
validation-too_long = It should have at most { $max_length } items
validation-feature_length = a text may have 500 characters
validation-feature_truth = must be a number, a text or null, got a truth value
validation-feature_list = must be a number, a text or null, got a list
validation-feature_object = must be a number, a text or null, got an object
validation-feature_finite = must be a finite number; send null for an unknown value
validation-account_or_features = send exactly one of account_id and features
validation-goes_with_features = as_of and arr go with features, not with account_id
validation-one_subject = send exactly one of account_id, alert_id and task_id
validation-iso_date = write the day as YYYY-MM-DD, with a time as in 2026-11-01T04:00:00Z
fault-config_wrong = The config is wrong:
    .line =
        { $before }
        { "  " }- { $line }
    .show = `churnml config show` prints every key with its default; docs/config.md explains them.
fault-config_key =
    .near = { $key }: there is no such key. Did you mean { $near }?
    .known = { $key }: there is no such key. Known: { $known }.
    .none = { $key }: there is no such key.
    .missing = { $key }: the key is missing.
    .wrong = { $key }: { $what }
    .got = { $key }: { $what } (got { $got })

## What one value of a config cannot be beside another, or by itself
wrong-one_of = give exactly one of { $names }
wrong-clear = clear lies on the far side of the bound: at most `above`, at least `below`
wrong-absence = last lies before first
wrong-time_zone =
    .example = there is no time zone { $name }; for example Europe/Berlin, Asia/Tokyo
    .near = there is no time zone { $name }; did you mean { $near }?
    .far = there is no time zone { $name }
wrong-source_or_sources = name either `source` or `sources`
wrong-with = { $place }.with: only a preset reads further raw tables
wrong-which_source = { $place }.source: say which source it is: { $names }
wrong-unknown_name =
    .near = { $place }: unknown name { $name }; did you mean { $near }? known: { $known }
    .far = { $place }: unknown name { $name }; known: { $known }
wrong-attributes = tables.{ $table }.attributes: only accounts may carry further attributes
wrong-label_table = label.churn is { $churn }, but no `{ $table }` table is mapped
wrong-expansion_table = label.target is expansion, but no table is mapped that shows one, of { $tables } (label.expansion_by: { $signs })
wrong-fitted_health = health.preset and health.alpha `fitted` learn from churn, but label.target is { $target }; with it health is made of the rules alone: take the preset reference or balanced, and leave alpha out
wrong-loop = a field that churnml writes can never be a feature, or its own score would teach it: { $loops }. Map another column, leave it out with `null`, or write to a field of churnml's own
    .written = { $place } reads { $name }, which deliveries.{ $target } writes
    .named = { $place } reads { $name }, whose name says that churnml wrote it
wrong-nobody = name somebody in `to` or `owners`
wrong-login = give client_id and client_secret, or token
wrong-pull =
    .destination = beside `pull.destination` stands the `connection` from which it is read, and nothing else
    .landing = beside `pull` only `duckdb` may stand: the file in which it lands
wrong-identity = name the raw column of the tool's own `id`, or a `preset`
wrong-encoding = there is no text encoding { $name }; for example cp932, latin-1, utf-16
wrong-parts = a list of raw tables holds mappings, each with `from`
wrong-contraction = target is contraction, which needs contracts whose MRR can fall; label.churn is silence
wrong-change_share = change_share ({ $share }): MRR cannot fall by all of itself and stay
wrong-horizon_twice = the horizon of { $days } days is named twice; further_horizons_days lists those beside horizon_days ({ $horizon })
wrong-silence =
    .further = silence_days ({ $silence }) is longer than the horizon of { $horizon } days in further_horizons_days: no silence could ever be seen inside its label window; leave that horizon out or set silence_days to { $horizon } or less
    .own = silence_days ({ $silence }) is longer than horizon_days ({ $horizon }): no silence could ever be seen inside the label window
wrong-bands = red_below ({ $red }) must be under green_from ({ $green })
wrong-address = { $given } is no address or network; expected e.g. 10.0.0.7 or 10.0.0.0/8
wrong-words = expected words, or a language's code and its words for each language

## Signing in

sign_in-title = Sign in
sign_in-text = Churn risk and customer health of { $company }’s accounts.
sign_in-oidc = Sign in with your company account
sign_in-email = Mail address
sign_in-mail = Mail me a sign-in link
sign_in-by_link = Open the sign-in link that you were sent. It works once.
sign_in-ask = No access? Ask { $whom }.
sign_in-ask_admin = No access? Ask whoever looks after churnml at your company.
sign_in-key = Use an API key instead
sign_in-sent = Look into your mail
sign_in-sent_text = If somebody here has this address, a sign-in link is on its way. It can take a minute, and works once.
sign_in-back = Back to signing in
sign_in-hello = Hello { $name }
sign_in-link_text = Sign in as { $email } with this browser. The link works once.
sign_in-mail_subject = Your sign-in link for { $company }
sign_in-mail_text =
    Hello { $name },

    this link signs you in once, within { $hours ->
        [one] { $hours } hour
       *[other] { $hours } hours
    }:

    { $address }

    If you did not ask for it, do nothing: without the link nobody can sign in as you.
frame-problem-signed_out = You are signed out
    .text = Your session has ended. Sign in again, then repeat what you did.
frame-problem-key = This API key does not work
    .text = It is not known, has expired, or was revoked.
frame-problem-role = This is not open to you
    .text = You are here as: { $role }. That role does not include it; an administrator can change it.
frame-problem-scope = This is not open to you
    .text = The API key that you came with does not include it.
frame-problem-stranger = You are not known here yet
    .text = You are signed in elsewhere, but nobody has given you access to these pages.
frame-problem-link = This link does not sign in
    .text = It was used already, has ended, or is incomplete. Ask for a new one.
frame-problem-provider = Signing in did not work
    .text = Your company’s sign-in did not confirm who you are. Try again.
frame-problem-throttled = Too many tries
    .text = Wait a minute, then try again.
frame-problem-form = The page was too old
    .text = You have signed in anew since it was opened. Open it again and repeat what you did; nothing was changed.

## Company, Team, Proof: what managers look at

co-company = Company
co-renewals = Renewals
co-cohorts = Cohorts
    .how = Each row follows the customers that began in one quarter; a cell is what is left of them at the end of that quarter, of the next one, and so on. MRR above 100 % means that expansion exceeded the losses. Who left and came back begins anew.
co-journey = Journey
    .how = Days in a phase count those still in it as long as they have been seen (Kaplan–Meier). An account stalls when it has been in its phase for longer than it took 80 % of all to move on; at least ten must have moved on.
co-growth = Growth
co-as_of = Facts up to { $on }
co-month = Month
co-by = By
co-by-segment = Segment
co-by-plan = Plan
co-by-owner = Owner
co-by-parent = Parent account
group-alone = accounts without parent or child
co-group = Group
co-all = All accounts
co-show = Show
co-before = Month before: { $value }
co-how = How it is counted
co-groups = By group, { $month }
co-by_month = Month by month
co-movement = ARR movement
    .how = ARR at the month’s start + new + expansion − contraction − churn = ARR at its end. Amounts are MRR × 12.
co-arr_start = ARR at the start
co-arr_end = ARR at the end
co-mrr_new = New
co-mrr_expansion = Expansion
co-mrr_contraction = Contraction
co-mrr_churned = Churn
co-nothing = No figures yet
    .text = The next scoring makes them. They need contracts (the subscriptions table).
co-none = No accounts
    .text = Nothing adds to this number.
co-count =
    { $n ->
        [one] { $n } account
       *[other] { $n } accounts
    }
co-account = Account
co-sum = Total
co-yes = yes
co-no = no
co-back = Back
co-earlier = Previous page
co-later = Next page
co-nobody = Nobody
co-by_accounts = By accounts
co-by_mrr = By MRR
co-quarter = Quarter
co-after =
    { $n ->
        [0] at its end
       *[other] + { $n }
    }
co-no_cohorts = No cohort yet
    .text = A quarter must be observed from its first day to the end.
co-median_days = Days, half moved on
co-limit_days = Days, 80 % moved on
co-stalled = Stalled
co-stalled_arr = ARR stalled
co-moves = Went on to
co-illegal =
    { $n ->
        [one] { $n } move that the lifecycle does not know
       *[other] { $n } moves that the lifecycle does not know
    }
co-no_phases = No phases known
    .text = Map accounts.phase and accounts.known_at, so that the way of each account through the lifecycle is known.
co-rfm = Recency and frequency of use
    .how = Recency (last use) and frequency (events in 13 weeks), each scored 1–5 by fifths, 5 being best; equal values score equally. A cell shows accounts and their ARR.
co-room = Room to grow
    .how = Accounts that use the product recently and often (4 or 5) and pay less than the median of their segment with the same frequency: the difference × 12. A place to look, not a promise.
co-no_room = No account uses as much as its peers and pays less.
co-no_events = No use known
    .text = Map the events table, so that use can be counted.
co-list-journey = Accounts in this phase
    .how = Accounts under contract, longest in the phase first.
co-list-stalled = Stalled accounts
    .how = Longer in the phase than it took 80 % of all to move on.
co-list-rfm = Accounts by recency and frequency
    .how = Accounts under contract with these scores.
co-list-cohort = Customers that began in { $quarter }
    .how = Those that were still customers at the end of the quarter that was chosen, with what they paid when they began and then.
co-list-moves = From { $before } to { $after }
    .how = Every such move in the account history; an account that went there twice stands here twice.
co-list-past = Due in { $month }
    .how = The accounts that the forecast made before the month was made of, with what of their ARR went on.
co-list-room = Accounts with room to grow
    .how = What peers of the segment with the same frequency of use pay, less what the account pays, × 12.
co-forecast = Renewal forecast
    .how = Expected = Σ ARR × (1 − p), p being the account’s churn probability, or where curves are shown its chance of being lost by that renewal, over the accounts whose contract ends in the month. In nine of ten drawn futures the result lies in the interval; how far curves may be off is in it where they are shown; what no past date knew (a recession, an outage) is not.
co-forecast-later = The score looks ahead to { $until }; contracts that end later count with { $rate }, the share of MRR that renewed in the last twelve months.
co-by_rate = by the company’s own renewal rate, for part of the accounts
co-arr_due = ARR due
co-expected = Expected
co-interval = 90 % interval
co-called = CSMs call
co-called_same = Score, same accounts
co-no_forecast = Nothing comes due
    .text = No contract with an end is known, or nothing was scored since this page exists.
co-past = Past forecasts against what came
    .how = Each month with the newest forecast made before it began. Came = Σ min(ARR then, ARR at the month’s end) of the same accounts; the dot in the chart.
co-past-inside = { $inside } of { $months } months came inside their interval.
co-quarters = By quarter
co-made = Forecast of
co-came = Came
co-off = Off, share of ARR due
co-outside = outside
co-no_past = No month is over yet that was forecast before it began.
co-due = Renewals due in { $month }
    .how = Enter the ARR that you expect to go on; 0 where the account leaves, empty to take the call back. A call holds until the contract end changes.
co-ends = Contract ends
co-call = Your call, ARR
co-call-of = ARR of { $name } that goes on
co-call-keep = Keep
co-call-invalid = The call must be an amount of ARR, 0 or more.


phase-contract = contract

col-mrr = MRR at the start
col-mrr_end = MRR at the end
col-mrr_begun = MRR at the beginning
col-mrr_then = MRR then
col-moved_at = Moved on
col-came = Went on
col-expansion = Expansion
col-contraction = Contraction
col-churned_mrr = Churned MRR
col-new_mrr = New MRR
col-churned = Churned
col-grown = Pays more
col-renewed = Renewed
col-mrr_due = MRR due
col-mrr_renewed = MRR renewed
col-answers = Answers
col-promoters = Promoters
col-detractors = Detractors
col-active = Active
col-onboarding_done = Onboarded in time
col-tickets = Tickets
col-solved = Solved
col-escalated = Escalated
col-year_mrr = MRR a year before
col-year_churned = Churned
col-year_expansion = Expansion
col-year_contraction = Contraction
col-year_churned_mrr = Churned MRR
col-phase = Phase
col-days_in_phase = Days in phase
col-recency = Recency
col-frequency = Frequency
col-monetary = Amount
col-room_arr = Room, ARR
col-arr = ARR
col-as_of = Scored
col-churn_probability = Churn probability

kpi-accounts = Accounts
    .how = Accounts under contract at the month’s first midnight.
kpi-mrr = MRR
    .how = What they pay a month, add-ons included.
kpi-new_accounts = New accounts
    .how = Accounts at the month’s end that were none at its start; one that came back counts.
kpi-lost_accounts = Lost accounts
    .how = Accounts at the start that are none at the end, or were away in between.
kpi-logo_churn_rate = Logo churn
    .how = Accounts lost in the month ÷ accounts at its start; new ones are left out.
kpi-grr = GRR
    .how = Gross revenue retention: Σ min(MRR at the end, MRR at the start) ÷ Σ MRR at the start; never above 100 %.
kpi-nrr = NRR
    .how = Net revenue retention: (start + expansion − contraction − churn) ÷ start; new accounts are left out.
kpi-logo_churn_rate_ttm = Logo churn, 12 months
    .how = Of the accounts a year before the month’s end, the share lost since; measured, not compounded.
kpi-grr_ttm = GRR, 12 months
    .how = Gross revenue retention of the accounts a year before the month’s end.
kpi-nrr_ttm = NRR, 12 months
    .how = Net revenue retention of the accounts a year before the month’s end.
kpi-expansion_rate = Expansion
    .how = Accounts that pay more at the end ÷ accounts at the start.
kpi-renewal_rate = Renewal rate
    .how = Of the accounts that came due in the month, those that a plan covers afterwards; a late renewal within the grace days counts.
kpi-renewal_rate_value = Renewal rate, value
    .how = MRR that goes on ÷ MRR that came due; a raised price counts as it was.
kpi-nps = NPS
    .how = % answering 9–10 minus % answering 0–6 in 91 days; passives count in the denominator (Reichheld 2003).
kpi-active_rate = Active rate
    .how = Accounts with a core event in the last 28 days ÷ accounts under contract at the month’s end.
kpi-onboarding_completion = Onboarding completion
    .how = Accounts that reached every onboarding milestone within 90 days ÷ those that began 90 days ago or earlier.
kpi-arpa = MRR per account
    .how = MRR ÷ accounts.
kpi-ltv = Lifetime value
    .how = Gross margin × MRR per account × the months a new account is expected to stay, discounted (Fader & Hardie 2007, 2010); undefined where nobody left in twelve months.
kpi-tickets_opened = Tickets
    .how = Tickets opened in the month.
kpi-ticket_resolution_rate = Tickets solved
    .how = Of the tickets opened in the month, those solved by its end.
kpi-first_response_hours = First response
    .how = Median hours to the first answer, of the tickets opened and answered in the month.
kpi-escalation_rate = Tickets escalated
    .how = Of the tickets opened in the month, those escalated by its end.
kpi-mrr_new = New MRR
    .how = What accounts pay at the month’s end that were none at its start.
kpi-mrr_expansion = Expansion MRR
    .how = By how much the accounts that stayed pay more.
kpi-mrr_contraction = Contraction MRR
    .how = By how much the accounts that stayed pay less.
kpi-mrr_churned = Churned MRR
    .how = What the accounts that left paid at the month’s start.

team-at_risk = ARR at risk
    .how = ARR of red accounts
team-loss = Expected loss
    .how = Σ churn probability × ARR
team-contacted = Red, contacted
    .how = in 7 days
team-open = Open tasks
team-overdue = Overdue
team-done = Done, 28 days
team-used = Capacity used
    .how = Capacity used: open tasks due within 7 days ÷ { $n }, the new alerts that an owner gets in a week (alerts.weekly_budget). Contacted: a touchpoint in the data, a finished task or a note.
team-hand_over = Hand over tasks
    .how = All open tasks of one owner go to another; the accounts stay. To move accounts, choose an owner’s accounts above and assign them.
team-from = From
team-to = To
team-moved =
    { $n ->
        [one] { $n } task handed over.
       *[other] { $n } tasks handed over.
    }
team-two_owners = Choose two different owners.
team-nobody = No owners yet
    .text = Map accounts.owner and score; then each CSM has a line here.

proof-realised = What became of scores
    .how = Scores that were in force, held against what happened; nothing was known of it when they were made.
proof-span =
    { $n ->
        [one] One scoring, of { $first }.
       *[other] { $n } scorings, { $first } to { $last }.
    }
proof-churned = Churned
proof-expected = expected: { $n }
proof-auc = 0.5 is chance, 1 perfect
proof-missed = Missed
    .how = Missed: accounts that churned while green; with their share of all that churned and their ARR.
proof-alarms = False alarms
    .how = False alarms: red accounts that stayed; with their share of all red ones. Some stayed because somebody called: see what calls achieved.
proof-bands = Churn by band
proof-band = Band
proof-arr_lost = ARR lost
proof-calibration = What was told against what happened, in ten parts of equal size; on the line both are equal
proof-told = Told
proof-happened = Happened
proof-versions = Models: { $versions }
proof-not_yet = The first scores can be held against outcomes from { $on } on. Until then the backtest is what there is.
proof-backtest = Backtest of the model in force
    .how = On data that the model had not seen, later than what it learnt from.
proof-ratio = Told ÷ happened
    .how = 1 is calibrated
proof-no_model = No model is loaded.
proof-calls = What calls achieved
    .how = Accounts that were contacted against accounts held out by chance; only this shows what a contact does.
proof-arm = Arm
proof-arm-contacted = Contacted
proof-arm-held_out = Held out
proof-followed = Followed to the end
proof-avoided = Churn avoided by a contact, with its 95 % interval: { $effect }
proof-saved = ARR kept per account, with its 95 % interval: { $effect }
proof-too_early = Too early to tell. Accounts that must be followed: { $needed }
proof-ranked = The alert budget goes by risk. Whether another ranking would help more has not been decided (churnml experiments rank).
    .risk = The alert budget goes by risk: nothing better was shown on { $since }.
    .uplift = The alert budget goes by what a contact avoids: that was shown to beat risk on { $since }, and holds until { $until }.
    .not_in_force = The alert budget goes by risk. On { $since } ranking by what a contact avoids was shown to beat it; that is not asked for (experiments.rank_by_uplift), or has expired on { $until }.
proof-no_experiment = No experiment is running, so nobody knows what calls achieve. Set experiments.enabled and score.
proof-model = The model in force
proof-version = Version
proof-trained = Trained
proof-verdict = Verdict
proof-verdict-publishable = publishable
proof-verdict-rules_only = rules only
proof-horizon = Looks ahead, days
proof-promotions = Models that were in force
proof-since = Since
proof-why = Why
proof-forced = by force
proof-watch = What monitoring found
    .how = The day before { $as_of }. Alarms on the data, drift, and whether the model does what its backtest promised.
proof-alarm_since = since { $on }
proof-calm = No alarm.
proof-no_watch = Nothing has been monitored yet: `churnml daily` does it every day, `churnml monitor` at once.
proof-retrainings = Trained anew
proof-retrained = trained anew
proof-recalibrated = moved to the newest churn rate
proof-outcome = Outcome
proof-promoted = in force
proof-not_promoted = turned down
proof-data = Data at the last scoring
proof-table = Table
proof-rows = Rows
proof-aside = Set aside
proof-last = Last fact
proof-behind = Days behind
proof-covered = Accounts covered
proof-list = Scored accounts: { $band }
    .how = Scores whose time is over, with what became of the account.

## The frame of every page

nav-today = Today
nav-accounts = Accounts
nav-team = Team
nav-company = Company
nav-proof = Proof
nav-settings = Settings
frame-skip = Skip to the content
frame-places = Pages
frame-language = Language
frame-sign_out = Sign out
frame-open = No sign-in
frame-search = Find an account
frame-as_of = Facts up to { $on }
frame-note = Associations in past data, not causes.
frame-stale =
    { $days ->
        [one] These scores are old: they are made of facts up to { $on }, { $days } day ago. Ask for a new scoring before you rely on them.
       *[other] These scores are old: they are made of facts up to { $on }, { $days } days ago. Ask for a new scoring before you rely on them.
    }
frame-unreachable = The store cannot be read at the moment. What you see was read before.
frame-partial = These scores are partial: on average only { $share } of a score’s weight had data.
frame-rules = The churn model did not pass its gate, so these scores come from rules.
frame-steady = steady
frame-numbers = Show the numbers
frame-csv = Download as CSV
frame-request = Request { $id }
frame-undo = Undo
frame-close = Close
frame-keys = Keyboard
frame-keys-on = Use these keys
frame-key-find = find an account
frame-key-go = go to Today or Accounts
frame-key-step = next, previous
frame-key-card = on a card: called, done, snooze, not a risk, reassign
frame-key-undo = undo
frame-problem-unknown = There is no such page
    .text = The address may be mistyped, or the page has moved.
frame-problem-account = There is no such account
    .text = The newest scores do not have it. Look for it by its name.
frame-problem-refused = That did not work
frame-problem-later = Not now
    .text = Nothing was lost. Try again in a moment.
frame-problem-nothing = Nothing has been scored yet
    .text = Run `churnml score CONFIG`. This page fills itself as soon as that is done.

## The brief and the portfolio

page-account = Account
page-as_of = as of
page-health = Health score
page-probability = Churn probability
page-within = within { $days } days, { $lift } × the average
page-arr = ARR
page-expected_loss = Expected loss
page-coverage = Data coverage
page-raising = Associated with a higher risk
page-lowering = Associated with a lower risk
page-context = Context
page-facts = Facts to know
page-plays = Suggested steps
page-owner = Owner
page-due = due
page-timeline = What happened
page-history = Score history
page-none = Nothing stands out.
page-new_model = A new model took over on { $on }: a step there may be the model's alone, and trends begin anew.
page-moved = Health { $change } since { $since } (facts { $data }, weights { $weights }, model { $model }).
page-changed = What changed: { $parts }.
page-rules_only = The churn model did not pass its gate, so the rules are used: probabilities come from a rule, reasons from the health measures alone.
page-note = Associations in past data, not causes. Effects are approximate.
page-sentiment = CSM’s own view
page-effect-probability =
    { $n ->
        [0] ±0 points of probability
       *[other] { SIGNED($n) } points of probability
    }
page-effect-health =
    { $n ->
        [0] ±0 health points
       *[other] { SIGNED($n) } health points
    }
page-portfolio = Portfolio
page-band = Band
page-segment = Segment
page-renewal = Renewal in
page-days = { $days } days
page-search = Name or id
page-all = all
page-reasons = Top reasons
page-shown = shown
page-only = The { $shown } accounts with the highest expected loss, of { $total }; the counts above are of all.
page-set_by = set by { $author }

## What goes with churn over all accounts

## The level of probabilities

level-gap = In the backtest, { $told } were told and { $happened } left in tenth { $tenth } of the risk (10 is the riskiest).

## All accounts

overall-heading = What goes with churn at { $company }
overall-intro = { $rows } readings of { $accounts } accounts from { $first } to { $last }, explained by the model in force (horizon { $horizon } days).
overall-rules_only = The model did not pass its gate: health rests on rules alone. This page tells what the model has learned all the same.
overall-families = What moves the risk, by family
overall-families_note = Mean absolute effect on the log-odds of churn; the features of a family are added up first.
overall-share = share of the effect, %
overall-feature = Feature
overall-family = Family
overall-part = Share
overall-direction = More of it goes with
overall-more = more risk
overall-less = less risk
overall-mixed = no one direction
overall-features = Strongest features
overall-summary = SHAP summary
overall-summary_note = One dot per reading: to the right the feature raises the risk there; the colour is its value.
overall-patterns = Patterns among churned accounts
overall-patterns_note = { $churned } churned accounts, grouped by what raised their risk at the last reading before they left.
overall-one_pattern = The { $churned } churned accounts do not fall into groups: what raised their risk differs by degree, not by kind. One average stands for all.
overall-too_few = Patterns need at least 20 churned accounts; there are { $churned }.
overall-of_churned = { $share } of churned accounts ({ $accounts })
overall-lead = typically visible { $lead } before they left
overall-no_lead = no reading showed it before
overall-example = Example: { $account }, { $on }
overall-segments = Where segments differ
overall-segments_note = How much more (+) or less (−) a family raises the log-odds of churn in a segment than over all readings. Differences of { $strong } and more are tinted.
overall-segment = Segment
overall-rows = Readings
overall-no_segments = The data has no segment or plan to compare.
overall-terminal_rows = { $rows } readings of { $accounts } accounts, { $first } to { $last }
overall-terminal_patterns = Patterns among { $churned } churned accounts
overall-terminal_pattern = Pattern
overall-terminal_accounts = Accounts
overall-terminal_before = Visible before
overall-terminal_example = Example
overall-note = Associations in past data, not causes.

## The health backtest

backtest-title = Does the health score predict churn? { $company }
backtest-intro = { $rows } readings of { $dates } dates, { $first } to { $last }; { $churned } churned within { $horizon } days (base rate { $rate }). Every reading was made with what was known on its date.
backtest-rules_only = The model does not pass its gate on this history, so the scores below are made of rules alone.
backtest-acceptance = Acceptance
backtest-line = Line
backtest-wanted = Wanted
backtest-holds = holds
backtest-about = On “{ $line }”:
backtest-fails = fails
backtest-interval = 95 % interval of the configured score: { $low } to { $high }, from { $churners } churners.
backtest-unseen = { $count } of them were green 60–90 days before: { $causes }.
backtest-would_hold = Two thirds of the churners scored below { $edge }; with green from there on, { $share } of the readings would be green. That edge is read off the same history: a place to look, not a promise.
backtest-bands = Churn by band
backtest-band = Band
backtest-readings = Readings
backtest-share = Share
backtest-churned = Churned
backtest-lift = Lift (95 %)
backtest-told_over_happened = Told ÷ happened (95 %)
backtest-calibration = Calibration of the bands
backtest-calibration_note = What the model expected in a band, and what happened.
backtest-warning = Warning time
backtest-days_before = Days before churn
backtest-churners = Churners with a reading
backtest-below_green = Below green
backtest-no_band = No band
backtest-lead = Lead time: half of the { $churners } churners were below green for at least { $median } days before they left (quartiles { $lower } and { $upper }); a churner that was green at its last reading counts 0.
backtest-beside = Side by side
backtest-score = Score
backtest-average_precision = Average precision
backtest-precision = Precision at capacity
backtest-recall = Recall at capacity
backtest-capacity_lift = Lift at capacity
backtest-green = Green
backtest-capacity_note = Capacity is { $share } of the readings of a date.
backtest-weights = Weights
backtest-weights_note = Percent of the whole score with all data present. “fitted” learned its weights from the history; the others are set by hand.
backtest-group = Group
backtest-measure = Measure
backtest-sized = Red threshold for this team
backtest-sized_calls = { $calls } calls in { $weeks } weeks for { $accounts } accounts on { $date }.
backtest-sized_share = { $calls } of { $accounts } accounts on { $date } can be contacted.
backtest-sized_now = Red below { $now } makes { $red_now } red; below { $proposed } it would be { $red }.
backtest-sized_past = Over all readings, red below { $proposed } would have held { $share } of the churn at a churn rate of { $rate } ({ $lift } × the base rate).
backtest-missed = Missed churn
backtest-missed_note = { $missed } of { $churners } churners were green, or had no band, at their last reading. The healthiest first.
backtest-account = Account
backtest-reading = Reading
backtest-health = Health
backtest-probability = Probability
backtest-days_to_churn = Days to churn
backtest-why = Why
backtest-alarms = False alarms
backtest-alarms_note = { $count } red readings of accounts that stayed. The reddest first, with the measure that cost most.
backtest-rules = Rules
backtest-model = Model
backtest-costly = Most costly measure
backtest-chart_bands = churn ÷ base rate
backtest-chart_bands_alt = Churn rate of each band divided by the base rate
backtest-chart_expected = expected by the model
backtest-chart_happened = happened
backtest-chart_churned = churned, %
backtest-chart_calibration_alt = Expected and observed churn of each band
backtest-chart_days = days before churn
backtest-chart_below = below green, %
backtest-chart_warning_alt = Share of churners below green by days before churn
backtest-terminal_bands = Churn by band: { $rows } readings, { $churned } churned, { $first } to { $last }
backtest-terminal_line = { $value } (wanted { $wanted })
backtest-terminal_interval = 95 % interval { $low } to { $high }
backtest-terminal_advice = With { $setting } the score would have ranked better: ROC AUC { $roc_auc }, by { $gain } (95 % interval { $low } to { $high }).
backtest-terminal_report = Report

## Monitoring: what an alarm on data, drift or performance says

alarm-MON101 = { $table } has stopped: no row since { $day }, where about { $expected } were to be expected.
alarm-MON102 =
    .rows-fewer = { $table }: { $days ->
        [1] { $n } rows on { $day }
       *[other] { $n } rows in the { $days } days up to { $day }
    }, far fewer than the usual { $expected }.
    .rows-more = { $table }: { $days ->
        [1] { $n } rows on { $day }
       *[other] { $n } rows in the { $days } days up to { $day }
    }, far more than the usual { $expected }.
    .accounts-fewer = { $table }: { $days ->
        [1] { $n } accounts with a row on { $day }
       *[other] accounts with a row, summed over the { $days } days up to { $day }: { $n }
    }, far fewer than the usual { $expected }.
    .accounts-more = { $table }: { $days ->
        [1] { $n } accounts with a row on { $day }
       *[other] accounts with a row, summed over the { $days } days up to { $day }: { $n }
    }, far more than the usual { $expected }.
alarm-MON103 =
    .nulls = { $table }.{ $column } is empty in { $share } of { $rows } rows of { $day }; usual are { $usual }.
    .nulls-week = { $table }.{ $column } is empty in { $share } of { $rows } rows of the week up to { $day }; usual are { $usual }.
alarm-MON104 = { $table }.{ $column } has not been “{ $word }” since { $day }; about { $expected } rows with it were to be expected.
alarm-MON105 = { $table }.{ $column } has words that were never seen before in { $share } of { $rows } rows of { $day }: { $words }.
    .week = { $table }.{ $column } has words that were never seen before in { $share } of { $rows } rows of the week up to { $day }: { $words }.
alarm-MON106 =
    .equal = { $table }: { $share } of { $rows } rows of { $day } are exact copies of others; usual are { $usual }.
    .equal-week = { $table }: { $share } of { $rows } rows of the week up to { $day } are exact copies of others; usual are { $usual }.
    .set_aside = { $table }: { $n } of { $of } new rows stand twice and were set aside ({ $reason }); usual are { $usual }.
alarm-MON107 =
    .set_aside = { $table }: { $n } of { $of } new rows could not be used ({ $reason }); usual are { $usual }.
alarm-MON108 =
    .rose = { $table }.{ $column } is higher than the account's own before in { $share } of { $rows } rows of { $day }; usual are { $usual }.
    .rose-week = { $table }.{ $column } is higher than the account's own before in { $share } of { $rows } rows of the week up to { $day }; usual are { $usual }.
    .fell = { $table }.{ $column } is lower than the account's own before in { $share } of { $rows } rows of { $day }; usual are { $usual }.
    .fell-week = { $table }.{ $column } is lower than the account's own before in { $share } of { $rows } rows of the week up to { $day }; usual are { $usual }.
alarm-MON109 = { $table }: { $n } of { $of } rows that were there before { $day } are gone.
alarm-MON110 = No table tells anything of the { $n } days since { $day }.
alarm-MON201 = { $feature } has changed since training (PSI { $psi }) and moves the mean prediction by { SIGNED($effect) }.
alarm-MON202 = The scores lie otherwise than in training (PSI { $psi }): their mean is { $now }, it was { $then }.
alarm-MON301 = The scores of { $day } ranked worse than the backtest promised: AUC { $found }, promised { $promised }.
alarm-MON302 = Of { $accounts } scored on { $day }, { $n } churned where the probabilities expected { $expected }: beyond noise.
alarm-MON303 = The scores of { $day } let expect a worse ranking than the backtest promised: AUC { $found }, promised { $promised }. Labels are not known yet.

retrain-MON401 =
    .none = There is no model yet.
    .configured = The model is { AMOUNT($age) } old; the config has it trained anew after { AMOUNT($due) }.
    .measured = The model is { AMOUNT($age) } old; in the backtest an older one than { AMOUNT($due) } lost to newer ones beyond noise.
    .usual = The model is { AMOUNT($age) } old, and no decay could be measured: half a year is the rule.
retrain-MON402 = { $n ->
        [one] A feature has drifted
       *[other] { $n } features have drifted
    } and predictions moved with it. { $said }
retrain-moved = Probabilities moved to the newest mature churn rate: of { $accounts }, { $n } churned where { $expected } were expected. The ranking is unchanged.
retrain-MON403 = The model ranked worse than promised. { $said }

# Warnings beside answers of the API
warning-no_snapshot = Nothing has been scored yet.
warning-stale =
    { $days ->
        [one] The facts are { $days } day old.
       *[other] The facts are { $days } days old.
    }
warning-rules_only = The model did not beat the rules, so they are used: churn probability and expected loss come from a rule, health from its measures.
warning-model_changed = Model { $now } is in force; this was scored by { $then }.
warning-config_changed = The config has changed since this was scored.
warning-low_coverage = Only { $share } of the health score’s weight had data.
warning-many_missing = { $missing } of the model’s { $total } features were not given and count as missing.
warning-unknown_word = The model does not know this text of { $feature }; it counts as missing.
warning-no_coverage = None of the features that the health score is made of was given, so there is no health score.

monitor-title = Monitoring of { $name }, the day before { $as_of }
monitor-no_alarm = No alarm. { $tests } tests of the data; false alarms to expect: at most { $budget } a month.
monitor-alarms = { $n ->
        [one] One alarm
       *[other] { $n } alarms
    }
monitor-new = new
monitor-severe = severe
monitor-what_to_do = What each code means and what to do: docs/monitoring.md
monitor-tables = Tables
monitor-table = table
monitor-newest = newest row
monitor-last_day = rows of the day
monitor-usual_day = usual
monitor-last_week = rows of the week
monitor-codes = alarms
monitor-unjudged = Too short a history to judge: { $tables }.
monitor-held = Publishing is held back (monitoring.publish_if).
monitor-due = Due to be trained anew:
monitor-not_due = Not due to be trained anew: { AMOUNT($age) } old, due at { AMOUNT($due) }.
monitor-no_model = No model has been trained yet; only the data was judged.
monitor-promised = promised
monitor-realised = realised
monitor-expected = expected
monitor-performance = Performance
monitor-nothing_mature = No scoring has final labels yet.
monitor-snapshot = scored as of
monitor-churned = churned
monitor-expected_churned = expected
monitor-accounts = accounts
monitor-lift = lift at 10 %
monitor-log_loss = log loss
monitor-drift = Drift against training
monitor-feature = feature
monitor-psi = PSI
monitor-effect = moves the mean prediction by
monitor-no_drift = No feature has drifted beyond chance.
monitor-written = Written to { $path }

## Who acts

owner-csm = CSM
owner-team = team
owner-system = automatic
owner-support = support
owner-finance = finance
owner-manager = manager
owner-sales = sales

backtest-name-configured = configured
backtest-name-reference = reference
backtest-name-balanced = balanced
backtest-name-fitted = fitted
backtest-name-rules_alone = rules alone
backtest-name-model_alone = model alone

backtest-line-red_lift = red churns at 3 times the base rate or more
backtest-line-early_warning = two thirds of churners were below green 60–90 days before
backtest-line-green_share = at most 80 % of accounts are green

backtest-cause-unknown_band = too little data for a band
backtest-cause-rules_outvoted_model = the model was below green, the rules outvoted it
backtest-cause-model_outvoted_rules = the rules were below green, the model outvoted them
backtest-cause-neither = neither rules nor model saw it
backtest-causes-joint = {"; "}
backtest-cause = { $cause } ({ $count })

## Patterns of those who left

pattern-engagement = low or falling use
pattern-adoption = narrow use of features
pattern-support = trouble in support
pattern-sentiment = dissatisfaction
pattern-commercial = contract and payment
pattern-relationship = loss of contact
pattern-onboarding = unfinished onboarding
pattern-none = No reason stands out
pattern-one = { CAPITAL($first) }
pattern-two = { CAPITAL($first) } with { $second }

## The model card

card-heading = Model card: { $title } { $version }
card-verdict = Verdict
card-trained = Trained
card-scored_by = Scored by
card-beside = Beside the regression
card-kind = Kind
card-tuning = Tuning
card-config_hash = Config hash
card-seed = Seed
card-intended = Intended use
card-intended_text = Ranks accounts by their { $noun } probability within { $days } days, so that people decide whom to look after first. Not for decisions without a person, on price or contract for example, and not for judging individuals.
card-data = Data
card-snapshots = Snapshots
card-span = { $from } to { $until }
card-rows = Rows
card-rows_of = { $rows } rows of { $accounts } accounts
card-learnt = Learnt from
card-learnt_rows = { $rows } rows: all that churned, and a sample of the others, each of which stands for several
card-of = { $part } of { $whole }
card-features = Features
card-fingerprint = Fingerprint
card-metrics = Metrics
card-tested_text = Backtest by date: every fold trained, tuned and calibrated on its past only. { $rows } rows of { $accounts } accounts, { $from } to { $until }, { $churned } { $happened }. Intervals draw whole accounts.
card-metric = Metric
card-value = Value
card-interval = 95 % interval
card-can_contact = The team can contact { $share } of the accounts per snapshot.
card-lead = Lead time from the first alert to the { $noun }: median { $median } days (quartiles { $lower } and { $upper }), { $share } at least 30 days.
card-contacting = Contacting so many
card-cases = Cases
card-caught = Caught (95 %)
card-their_arr = Their ARR (95 %)
card-precision = Precision (95 %)
card-lift = Lift (95 %)
card-contacted = Contacted
card-plain = { $name }
card-part = { $segment } = { $value }
card-own =
    .arr = arr
    .tenure = tenure
card-is =
    .low = low
    .middle = middle
    .high = high
    .first = first year
    .later = later
card-all = all
card-profit = At the assumed save rate the best campaign by this ranking is worth { $worth } { $currency } an account (expected maximum profit over { $campaigns } campaigns at least { $every_days } days apart, so that no customer is saved twice); the area under its profit curve is { $area } of the perfect ranking's.
card-baselines = Baselines
card-gain_note = A gain above 0 speaks for the model.
card-baseline = Baseline
card-roc_auc = ROC AUC (95 %)
card-log_loss = Log loss
card-auc_gain = AUC gain (95 %)
card-loss_gain = Log loss gain (95 %)
card-folds = Folds
card-fold = Fold
card-fold_name = fold { $n }
card-trained_until = Trained until
card-tested = Tested
card-calibration_error = Calibration error
card-retrain =
    { $months ->
        [one] Recommended: retrain every month.
       *[other] Recommended: retrain every { $months } months.
    }
backtest-long_terms = Accounts with terms over 180 days, { $days } days before they left: { $share } of { $churners } were below green, while { $green } of all readings of such accounts are green
card-survival = Survival curves
card-survival_brier = Integrated Brier score, 12 months
card-survival_gain = Hazard model lower by (95 %)
card-survival_far = { $accounts } accounts of { $day }, { $lost } of them lost within 12 months:
card-survival_near = Within { $days } days, on { $rows } rows of which { $lost } were lost:
card-survival_own = Curve by itself
card-survival_horizon = Model of { $days } days
card-survival_limits = The verdict rests on one past date. A renewal further away than the label looks is known by little: do not act on it account by account.
card-survival_limits_silence = The verdict rests on one past date. Lost means silent for { $days } days, so nobody is lost sooner; a curve ends where fewer than 30 accounts were followed so far.
card-treatment = Contacts and what became of the accounts
card-arm =
    .untreated = not contacted
    .treated = contacted
treatment-too_few = { $share } of the predictions were followed by a contact within { $days } days. Too few churners on one side to tell whether contacts have changed what became of the accounts.
treatment-none = { $share } of the predictions were followed by a contact within { $days } days. Told ÷ happened is { $told } where there was one and { $others } where there was none: no difference beyond noise.
treatment-bent = { $share } of the predictions were followed by a contact within { $days } days, and these accounts left less often than told (told ÷ happened { $told }, without a contact { $others }). Either contacts kept customers, or they went to accounts that were safer than they looked; a model that learns from these rows tells too low a risk for accounts that nobody calls. Judge it by the accounts that were not contacted.
treatment-worse = { $share } of the predictions were followed by a contact within { $days } days, and these accounts left more often than told (told ÷ happened { $told }, without a contact { $others }): contacts went where more was wrong than the model saw.
card-horizons = Further horizons
card-horizons_note =
    { $seeds ->
        [one] Each has a model of its own with 1 seed, judged on folds of its own before its probabilities give way to those of { $days } days: a longer horizon never has a smaller probability.
       *[other] Each has a model of its own with { $seeds } seeds, judged on folds of its own before its probabilities give way to those of { $days } days: a longer horizon never has a smaller probability.
    }
card-horizon = Horizon, days
card-segments = Segments
card-segment = Segment
card-rate = { $noun } rate
card-mean_probability = Mean probability
card-no_segments = No segment was large enough to be judged by itself.
card-calibration = Calibration
card-method = Method: { $name }.
card-tenths = Tenths of the scores, lowest first:
card-figures = Told ÷ happened { $ratio } ({ $ratio_low } to { $ratio_high }), slope { $slope } ({ $slope_low } to { $slope_high }), calibration error { $error } ({ $error_low } to { $error_high }): 95 % intervals, an account counting once; ratio and slope are 1 where calibrated.
card-goes_by = What the model goes by
card-contributions = Mean absolute contribution to the log-odds (SHAP), by family.
card-learned_only = This is the learned model; what is published comes from { $by }.
card-family = Family
card-share = Share
card-strongest = Strongest features
card-limits = Limits
card-plots = Plots
card-made_with = Made with
card-outcome =
    .beats = beats
    .level = level
    .loses = loses
card-direction =
    .more_is_riskier = more is riskier
    .more_is_safer = more is safer
    .depends = depends
    .by_word = by word
card-by-model = the model
card-by-rule = the rule “{ $rule }”
card-rule =
    .base_rate = the base rate
    .recency = days since the last activity
    .reference = the reference health score
    .rfm = recency, frequency and value
    .logistic = a logistic regression on all features
    .blend = trees averaged with the regression
card-named =
    .base_rate = base rate
    .recency = recency
    .reference = reference
    .rfm = rfm
    .logistic = logistic
    .blend = blend
card-happened =
    .churn = churned
    .expansion = expanded
    .contraction = contracted
card-one =
    .churn = a churner
    .expansion = an account that expands
    .contraction = an account that contracts
card-other =
    .churn = a stayer
    .expansion = one that does not
    .contraction = one that does not
card-many =
    .churn = churners
    .expansion = accounts that expand
    .contraction = accounts that contract
card-likeliest =
    .churn = riskiest
    .expansion = likeliest
    .contraction = likeliest
card-means-roc_auc = ROC AUC: chance that { $one } ranks above { $other }
card-means-average_precision = Average precision: precision over all recalls; the base rate is its floor
card-means-log_loss = Log loss, nats; lower is better
card-means-brier = Brier score; lower is better
card-means-ece = Calibration error: mean distance of probability and { $noun } rate; lower is better
card-means-lift_at_10 = Lift of the { $likeliest } tenth over the base rate
card-means-recall_at_10 = Share of { $many } in the { $likeliest } tenth
card-means-precision_at_10 = { CAPITAL($noun) } rate of the { $likeliest } tenth
card-means-recall_at_capacity = Share of { $many } among those the team can contact per snapshot
card-means-revenue_recall_at_capacity = The same by ARR
card-starts-later = { $days } days after the snapshot
card-starts-at_once = on the day of the snapshot
card-ends-contractual = the last subscription ends and none follows within { $days } days
card-ends-silence = the account does nothing for { $days } days
card-window = the label window is { $days } days long and begins { $start }.
card-label-churn = An account churns when { $what }; { $window }
card-label-contraction = An account contracts when its MRR falls by { $share } or more and it stays; it churns when { $what }, which is no contraction; { $window }
card-label-expansion = An account expands when { $signs }; { $window }
card-either = { $first } or { $second }
card-sign-mrr = its MRR rises by { $share } or more
card-sign-seats = its seats rise by { $share } or more
card-sign-deals = an upsell or cross-sell is won
card-limit-horizon = At the horizon of { $days } days: { $reason }
card-limit-rules_only = The model did not pass its gate, so its probabilities are not published: scoring falls back to the rules, with probabilities from { $by } and health from its measures.
card-limit-few = It learnt from { $accounts } accounts that { $happened }: expect wide intervals, and distrust single features.
card-limit-folds = The history allowed { $count } of { $wanted } backtest folds.
card-limit-too_high = In { $part } the probabilities were too high by { $points } percentage points.
card-limit-too_low = In { $part } the probabilities were too low by { $points } percentage points.
card-limit-tenth = Told and happened differ beyond noise in tenth { $tenth } of the risk (10 is the riskiest): { $told } were told, { $share } { $happened }.
card-limit-scope = A probability holds for { $days } days from its snapshot and for accounts like those of the training period; a new product, price or market is outside of it.
card-limit-causes = Contributions say what the model goes by, not what causes { $noun }; the assumed save rate ({ $rate }) is an assumption until outreach is randomised.
card-limit-causes_other = Contributions say what the model goes by, not what causes { $noun }. The health score beside it is made of rules alone: it is about churn.
card-plot =
    .roc = ROC
    .precision_recall = precision and recall
    .calibration = calibration
    .lift_gain = lift and gain
    .score_distribution = distribution of the scores
    .backtest_over_time = backtest over time
    .shap_summary = SHAP summary
    .shap_dependence = SHAP dependence

## What a training decides, and why

verdict-the_model = the model
verdict-not_tested = The model has not been backtested.
verdict-one_outcome = The test periods hold only one outcome: nothing can be compared.
verdict-no_rule = There was no rule to compare the model with.
verdict-beside =
    .beats = The model beats { $baseline } by more than noise: { $gain }.
    .level = The model draws level with { $baseline }: { $gain }.
    .loses = The model is worse than { $baseline } by more than noise: { $gain }.
verdict-by =
    .more = by more than noise
    .no_more = the best of them by no more than noise
verdict-published = { CAPITAL($what) } tells churners apart within a snapshot date, { $ranked }, and beats every rule there, { $by }; the best rule is { $rule }: { $gain }.
verdict-instead = { $reason } It is published instead of the model: log loss { $within } within dates and { $told } as told, the model's { $model_within } and { $model_told }.
verdict-nothing = Nothing that was learnt tells churners apart within a snapshot date by more than noise: over the date's churn rate { $gain }; { $ranked }.
verdict-refused =
    .worse = The model is worse than { $rule } within snapshot dates: { $gain }.
    .no_better = The model is no better than { $rule } within snapshot dates: { $gain }.
verdict-gain = log loss gain { SIGNED($gain) } (95 % interval { SIGNED($low) } to { SIGNED($high) })
    .unknown = no log loss gain can be computed
    .alone = log loss gain { SIGNED($gain) }, from too few accounts for an interval
verdict-ranked = concordance { $value } of pairs of one date ({ $low } to { $high }; .5 is chance)
    .unknown = no date holds both outcomes
    .alone = concordance { $value } of pairs of one date
verdict-leak = { $leak } As the data are: { $reason }
warning-failed_model = a model that failed its gate
warning-expected_loss = expected loss
warning-expected_gain = expected gain
warning-rules = The rules are used, not the model: { $target } probability, { $expected } and order come from { $by }, health from its measures. { $reason }
warning-target = The model predicts { $target }, not churn, so the health score is made of rules alone.
note-fold_shortened = { $fold } trains until { $until }, not { $asked }: later labels were not known yet on { $tested }.
note-horizon_rule = At the horizon of { $days } days a rule is used: { $reason }
kind-configured = model.kind is { $kind }
kind-few = { $churners } { $many } for { $features } features are too few for trees: a logistic regression generalises better
kind-blend = { $churners } { $many } for { $features } features: trees and a logistic regression, averaged; judged on { $judged_on }, the regression weighs { $weight }
kind-judged_on =
    .later_dates = later dates
    .other_accounts = other accounts
kind-regression_better = the regression alone predicted better than the model in the backtest
kind-one_share = { $low }
kind-shares = { $low } to { $high }
kind-in_folds = { $reason }; in the backtest's folds { $span }
tuning-no_trees = Nothing was tuned, as no trees are fitted: { $reason }.
tuning-too_short = Nothing was tuned: the oldest training part is too short to judge on.
tuning-trials =
    { $tried ->
        [one] { $tried } trial
       *[other] { $tried } trials
    }
tuning-none_lower = The defaults stay: no other of { tuning-trials } had a lower log loss.
tuning-better = Trial { $trial } beats the defaults by more than noise: log loss gain { SIGNED($gain) } (95 % interval for the best of { tuning-trials }: { SIGNED($low) } to { SIGNED($high) }).
tuning-noise = The defaults stay: trial { $trial } beats them by no more than noise, log loss gain { SIGNED($gain) } (95 % interval for the best of { tuning-trials }: { SIGNED($low) } to { SIGNED($high) }).
decay-none = A model of the first fold loses nothing beyond noise against newer ones up to { $months } months.
decay-from = From { $months } months after training an old model is worse than a newer one by more than noise.

## Whether a new model takes the champion's place

gate-first = The first model.
gate-broken = The champion's bundle cannot be used any more.
gate-same = The same model as the champion: nothing changed.
gate-label = The label changed: the champion answers another question.
gate-only_challenger = The challenger beats the baselines and the champion's did not.
gate-only_champion = The challenger does not beat the baselines; the champion still does.
gate-judged_again = The champion was judged again on { $rows } rows that it had not learnt from, and may not be published any more: { $reason }
gate-nothing_fair = No labelled snapshot is newer than what the champion learnt from: nothing fair to compare on.
gate-one_outcome = The newest labelled snapshots hold only one outcome: nothing can be compared.
gate-too_few = Too few accounts churned in the newest labelled snapshots to compare on.
gate-gain = log loss gain { SIGNED($gain) } (95 % interval { SIGNED($low) } to { SIGNED($high) }) on { $rows } rows of the newest window
gate-better = The challenger is better by more than noise: { gate-gain }.
gate-fresher = The challenger knows newer data and is not worse, by { $margin } at most: { gate-gain }.
gate-may_be_worse = The challenger may be worse by more than { $margin }: { gate-gain }.
gate-no_better = The challenger is not better by more than noise: { gate-gain }.

## The gate of survival curves
survival-curve =
    .hazard = the curves with features
    .kaplan_meier = Kaplan–Meier by plan
    .beta_geometric = the shifted-beta-geometric
    .recency = Kaplan–Meier by days since the last activity
    .cox = Cox
survival-near =
    .untold = The { $days } days of the label cannot be compared: the newest dates hold one outcome.
    .not_worse = Within { $days } days they would have been no worse than the model of that horizon (AUC { $auc } and { $other_auc }, log loss { $loss } and { $other_loss }, { $rows } rows, { $lost } lost), which goes on giving that probability.
    .worse = Within { $days } days the model of that horizon is better (AUC { $other_auc } and { $auc }, log loss { $other_loss } and { $loss }, { $rows } rows, { $lost } lost) and goes on giving that probability.
survival-gate =
    .serves = Survival curves serve the renewal view: over 12 months their integrated Brier score is { $own }, that of { $rival }, the best without features, { $best } ({ $accounts } accounts, { $lost } lost). { $near }
    .serves_silence = Survival curves are shown: over 12 months their integrated Brier score is { $own }, that of { $rival }, the best without a model, { $best } ({ $accounts } accounts, { $lost } fallen silent). { $near }
    .refused = Survival curves are not shown: over 12 months { $rival } knows as much or more, integrated Brier score { $best }, theirs { $own } ({ $accounts } accounts, { $lost } lost). { $near }
survival-left_out =
    .off = No survival curves: survival.enabled is false.
    .target = No survival curves: they tell of churn, and the model predicts { $target }.
    .long_silence = No survival curves: a silence of { $days } days is too long to be judged by { $months } months.
    .no_ends = No survival curves: { $share } of the rows have no agreed end of their contract, so nothing can be told of renewals.
    .short_terms = No survival curves: the terms of { $accounts } accounts outlast { $days } days; of all others the model of that horizon sees the next decision anyway.
    .history = No survival curves: no snapshot is { $months } months old with all that followed known, so none could be judged.
    .few_lost = No survival curves: { $before } accounts were lost before the newest date that is { $months } months old, and { $after } in the months after it; either takes { $least } to learn from or to judge by.
    .failed = No survival curves: { $why }

## The leakage audit

audit-CHK101 = A single feature separates churners implausibly well
    .remedy = Check when the column is written; exclude it if that is after the outcome.
audit-CHK102 = A feature changes when everything after its as_of is cut off
    .remedy = The feature sees the future: filter its facts by known_at.
audit-CHK103 = A column is filled, or empty, only for churned accounts
    .remedy = The column is written when an account leaves: exclude it.
audit-CHK104 = A value of a column all but decides the outcome: a status written after it
    .remedy = Use the value as it was known at as_of, or exclude the column.
audit-CHK105 = The same rows stand on both sides of a split
    .remedy = Look for copied accounts, or features that never change.
audit-CHK106 = Training labels reach into the test period
    .remedy = Leave at least so many days between them.
audit-CHK107 = The churn rate of the test period is another than that of the training period
    .remedy = Check the label's last window; if the change is real, train on recent dates.
audit-CHK108 = The churn rate jumps from one snapshot to the next
    .remedy = Check whether the data are complete around that date.
audit-CHK109 = Nobody churns before a date: lost accounts are missing from the early data
    .remedy = Start at snapshots.first: { $on }, or export the accounts lost before it.
audit-CHK110 = An account attribute without a history goes with who left, or is a total up to today
    .remedy = Map tables.accounts.columns.known_at, or exclude the attribute.
audit-CHK111 = A column tells long before who will leave: written after the departure, over the whole past
    .remedy = Use the value as it was known at as_of (known_at), or exclude the column.
audit-CHK112 = A fact tells of the departure itself: a word of leavers alone, or a kind that comes in their last days
    .remedy = Check when these are written; leave them out of the mapping if that is late.
audit-CHK113 = A feature is missing more often, or less, where the model is used than where it was trained
    .remedy = See what fills the column on one side only; exclude it where the two cannot be made alike.
audit-clear = nothing found
audit-found = { $what }: { $details }
audit-found_more = { $found } and { $more } more
audit-detail = { $where } ({ $detail })
audit-coded = { $code } { $what }
audit-note = { $code } { $what }. { $remedy }
audit-leak = The audit found a leak, so the model is not promoted: { $found }. Correct or exclude the columns, or train with --force --reason where a person knows better.
audit-filled = filled
audit-empty = empty
audit-rows = { $value } in { $n } rows, { $churned } of them churned
audit-auc = AUC { $auc } alone
audit-at_scoring = { $trained } in training, { $now } at scoring
audit-hindsight = { $n } accounts are known at { $on } only with hindsight
    .remedy = Check known_at of what brings them into the cohort.
audit-differs = { $n } of { $of } accounts at { $on }
audit-copied = { $share } of the test rows also stand in training
audit-between = { $days } days between them, gap, horizon, grace and settling take { $needed }
audit-rates = { $before } in training, { $after } in test
audit-jump = from { $before } to { $after }
audit-survivors = { $what }: no churner in { $n } snapshots before { $on }, where about { $expected } were to be expected
audit-total = goes with { $what } up to today, rank correlation { $agreed }
audit-count = the number of all rows of { $table }
audit-sum = the sum of { $column } of all rows of { $table }
audit-stayed = the days that an account stayed
audit-split = { $value }: { $left } of { $accounts } accounts left later, of the others { $others_left } of { $others }
audit-order = its order alone tells who leaves in the end, AUC { $auc }
audit-leavers_word = “{ $word }” in { $n } accounts, { $left } of them left
audit-last_days = in the last { $days } days of { $latest } of the accounts that left, in as many days earlier of { $usual }
audit-last_days_of = “{ $word }” { $last }
audit-off-no_label = no row has a final label
audit-off-few_scored = fewer than { $n } rows of what is scored were made
audit-off-one_outcome = fewer than { $n } rows of one outcome
audit-off-no_recompute = the features cannot be computed again here
audit-off-no_splits = no splits
audit-off-few_columns = fewer than five measured columns
audit-off-no_attributes = there are no account attributes
audit-off-history = accounts carry a history (known_at)
audit-off-other_target = the target is not churn: accounts do not leave
audit-off-no_departures = departures are no dated facts of their own here
audit-off-few_snapshots = fewer than three labelled snapshots
audit-off-few_snapshots_or_churners = fewer than three labelled snapshots, or no churner
audit-status =
    .found = found
    .clear = clear
    .not_applicable = not applicable
audit-heading = Leakage audit
audit-column =
    .check = check
    .looks_for = looks for
    .status = status
    .found = found
    .where = where
    .remedy = what to do

## The commands: what several of them say

cli-error = error:
error-line =
    .where =
        { $before }
        { "  " }where:    { $said }
    .got =
        { $before }
        { "  " }got:      { $said }
    .expected =
        { $before }
        { "  " }expected: { $said }
    .remedy =
        { $before }
        { "  " }do:       { $said }
error-bug = churnml met an error it did not foresee: { $kind }: { $said }
    .remedy = Please report it with the details in { $file }
error-check = { $code } { $what }
cli-interrupted = Interrupted. Nothing half-written is left behind.
cli-written = Written to { $path }
cli-off = { $why }: { $names } off
cli-event = { $action } by { $actor }
cli-action =
    .opened = opened
    .updated = updated
    .acknowledged = acknowledged
    .snoozed = snoozed
    .woken = back from its snooze
    .closed = closed
    .reopened = reopened
    .reassigned = given to somebody else
    .noted = noted
    .released = let through by the budget
    .begun = begun
    .done = done
    .skipped = left out
    .cancelled = cancelled
verdict-is =
    .publishable = publishable
    .rules_only = rules only

## Checks of raw data: what each finds, and what to do

check-CHK001 = source missing
    .remedy = Correct `from` or `source` in the config.
check-CHK002 = source unreadable
    .remedy = Export the table anew as CSV, JSON lines, Parquet or an Excel workbook.
check-CHK003 = empty table
    .remedy = Export the table anew, relax `where`, or remove the table from the config: its features are then off.
check-CHK004 = unknown column
    .remedy = Correct the column's name in the config.
check-CHK005 = SQL fails
    .remedy = Correct the SQL; it is DuckDB's dialect over the raw columns.
check-CHK006 = column not mapped
    .remedy = Map a raw column to it, or give it a constant with `{ "{" }value: …{ "}" }`.
check-CHK007 = malformed line
    .remedy = Export the file anew with quoted text fields.
check-CHK010 = required value missing
    .remedy = Complete the rows at the source, or leave them out with `where`.
check-CHK011 = date does not parse
    .remedy = Give the column a `format`.
check-CHK012 = number does not parse
    .remedy = Set `decimal: ","` for 1.234,50, or map the column with an `expr` that leaves the number alone.
check-CHK013 = yes/no does not parse
    .remedy = Map the words: `words: { "{" }はい: true, いいえ: false{ "}" }`.
check-CHK014 = value out of range
    .remedy = Correct the rows at the source, or leave them out with `where`.
check-CHK015 = unknown word
    .remedy = Map the words with `words: { "{" }raw: canonical{ "}" }`; `"*"` stands for every other word.
check-CHK016 = end before start
    .remedy = Check whether two columns are swapped or come from different time zones.
check-CHK017 = date in the future
    .remedy = Correct the dates at the source.
check-CHK018 = stray date
    .remedy = Correct the dates at the source, or leave the rows out with `where`.
check-CHK019 = no plausible date
    .remedy = Correct the dates at the source, or map the column that really says when it happened.
check-CHK020 = exact duplicate
    .remedy = The row that is kept says the same; check whether the export holds the same file twice.
check-CHK021 = duplicate key
    .remedy = Map a key that is unique, or leave the older versions out with `where`.
check-CHK022 = unknown account
    .remedy = Compare the ids of both tables: are they of the same kind, and is the export of `accounts` complete?
check-CHK023 = id that cannot be stored
    .remedy = Map the column that identifies the account; this one seems to hold a text.
check-CHK024 = equal rows without an id
    .remedy = Map an id. If the rows are one fact that was exported twice, set `equal_rows: merge` on the table.
check-CHK025 = rows left out by where
    .remedy = Say what an absent value means: `status IS DISTINCT FROM 'draft'`, or `coalesce(status, …)`.
check-CHK026 = ids that never meet
    .remedy = Compare the ids of both tables: both must name the account in the same way.
check-CHK027 = one account has nearly everything
    .remedy = Check what the column mapped to account_id identifies; a row that names something else than the account is looked up with `via`.
check-CHK028 = facts outside the account's life
    .remedy = Check the time zone and the columns of both tables; if it is so, windows count them all the same.
check-CHK029 = contracts of MRR 0
    .remedy = Choose `label.trials`: `count` (their end is churn, the default) or `leave_out`.
check-CHK030 = known before it happened
    .remedy = Check the column mapped to `known_at`; the time of the fact itself is used instead.
check-CHK031 = unknown optional word
    .remedy = Map the words with `words: { "{" }raw: canonical{ "}" }`; `"*"` stands for every other word.
check-CHK032 = end without end
    .remedy = Nothing to do.
check-CHK033 = unreadable optional value
    .remedy = Give the column a `format`, `decimal` or `words`, or correct the values at the source.
check-CHK034 = optional value out of range
    .remedy = Correct the values at the source, or map the column with an `expr` in the right unit.
check-CHK035 = placeholder for no date
    .remedy = Nothing to do, if it is so; otherwise correct the dates at the source.
check-CHK036 = day in another zone
    .remedy = Set `timezone` on the column to the zone in which the days are meant.
check-CHK037 = several currencies
    .remedy = Convert them with an `expr` (`amount * CASE currency WHEN 'EUR' THEN 1.08 ELSE 1 END`), or load one with `where`.
check-CHK040 = too many rows set aside
    .remedy = Follow the remedy of the largest reason, or raise `source.max_rejected_share`.
check-CHK041 = no observed period
    .remedy = Map a table with dated facts.
check-CHK042 = numbers that can be read in two ways
    .remedy = Set `decimal: ","` or `decimal: "."` on the column.
check-CHK043 = table that ends early
    .remedy = Export the table anew: what it does not hold yet looks as if it had not happened.
check-CHK044 = time without a zone
    .remedy = Set `timezone` on the source.
check-CHK045 = date that reads two ways
    .remedy = Set `date_order` on the source.
check-CHK046 = broken Salesforce id
    .remedy = A spreadsheet or a program changed the case of its letters: export anew, and keep ids as text.
check-CHK047 = amounts of several currencies
    .remedy = Name a dated table with `rates`.
check-CHK048 = records merged in a circle
    .remedy = Correct the tool's records or the table of identities.
check-CHK049 = records of a tool that are no known account
    .remedy = Complete the file of unmatched records and name it in `identities`.
check-CHK050 = a column that looks personal
    .remedy = Leave it out unless it is a person's id; ids are never features.
check-CHK051 = personal data where words become features
    .remedy = Map another column, or leave it out with `null`.
check-CHK052 = accounts that are part of each other
    .remedy = Correct the parent of one of them in the tool, or leave the column out with `null`.
check-CHK053 = parents that are no account
    .remedy = Export these accounts, too, or leave it: the accounts below each of them are one group under its id.

## Data: what loading it came to

data-observed = observed from { $from } until { $until } (exclusive), told by { $by }
data-observed-by =
    .events = the events
    .facts = the facts
    .config = the config
data-derived_accounts = accounts is not mapped: { $n } accounts are derived from their facts, created on the first one's day
data-not_mapped = { $table } is not mapped: { $what } are off
data-off-subscriptions = contract features (MRR, seats, renewal) and revenue KPIs
data-off-events = usage features (engagement, adoption)
data-off-tickets = support features
data-off-surveys = satisfaction features (NPS)
data-off-contacts = features of champions and admins
data-off-touchpoints = features of calls, mails and meetings
data-off-invoices = features of overdue invoices
data-off-campaign_events = features of campaign response
data-off-milestones = onboarding features
data-off-opportunities = upsell and renewal KPIs from deals
data-no_history = accounts has no history (known_at is not mapped): { $columns } may have changed since, so they are shown but are no features
data-attributes = extra account attributes kept: { $names }
    .no_history = extra account attributes kept: { $names }; without a history only those that never change may be features
data-set_aside = { $table }: { $reason }. { $remedy }
data-reason = { $code } { $name }{ $place }: { $rows } rows{ $example }
    .values = { $code } { $name }{ $place }: { $rows } values{ $example }
    .place = { " in " }{ $column }
    .example = , e.g. { $example }
data-file_reason = { $code } { $name }: { $column }
data-malformed_line = CHK007 malformed line { $line } of { $file }: { $said }
    .json = CHK007 malformed line of { $file }: it is no JSON object
data-changed = { $code } { $table }.{ $column }: { $rows } values: { $name } ({ $examples }). { $remedy }
data-where = { $table }: where leaves { $n } rows out
data-where_undecided = CHK025 { $table }: where leaves { $n } rows out, { $undecided } of them because the condition is neither true nor false for them (a value is absent). { $remedy }
data-where_better = If they count, write `where: { $better }`.
data-equal_rows = CHK024 { $table }: { $n } rows equal another one and have no id of their own; they count like the others{ $stake }. { $remedy }
    .merged = CHK024 { $table }: { $n } rows equal another one and have no id of their own; they are left out{ $stake }.
    .stake = ; they hold { $sum } of { $column }
data-about = about { $n }
data-currencies = CHK037 { $table }.{ $column }: { $n } currencies in one column: { $listed }; the amounts are added as they stand. { $remedy }
data-currency = { $code } { $n } rows (e.g. { $example })
data-and_more = { $listed } and { $n } more
data-ids_never_meet = CHK026 { $table }.account_id: { $missing } of { $of } accounts of { $table } ({ $examples }) do not stand in { $reference } ({ $there }); for the others everything in { $table } counts as zero. { $remedy }
data-one_account = CHK027 { $table }.account_id: one account of { $accounts }, { $account }, has { $most } of { $rows } rows. { $remedy }
data-outside_life = CHK028 { $table }: of { $rows } rows { $outside }. Windows count the earlier ones as use by a customer; the later ones are of accounts that are not asked about. { $remedy }
    .before = { $n } lie before its account was created (e.g. { $account })
    .before_contract = { $n } lie before its account's first contract (e.g. { $account })
    .after = { $n } after its last contract ended (e.g. { $account })
    .both = { $before } and { $after }
data-trials = CHK029 subscriptions.mrr: { $n } accounts have only contracts of MRR 0 (trials, free plans; e.g. { $account }), and the end of one counts as churn. { $remedy }
    .unknown = label.trials is leave_out, but subscriptions.mrr is not mapped: no contract is left out
    .left_out = subscriptions: { $n } contracts of MRR 0 are left out (label.trials)
data-ends_early = CHK043 { $table }: the table ends on { $on }, { $days } days before the data does ({ $until }). { $remedy }
    .contracts = CHK043 { $table }: the table ends on { $on }, { $days } days before the data does ({ $until }). Contracts that ended or were renewed since then look as if they had not. { $remedy }
data-converted = { $table }: { $counted } converted to { $currency } by the rate of their day ({ $day })
data-rows_in = { $n } rows in { $code }
    .from = { $n } rows in { $code } from { $first } on
data-repeated_headers = { $table }: { $n } lines that repeat the header are left out
data-would_be_known = { $table }: with `{ $key }: …` ({ $object }) it would be known: { $gain }
data-versions = { $table }: { $n } rows are earlier versions or repeats of others ({ $of })
data-lookup = { $table }: { $n } rows name a { $column } that { $other } does not have; they get no account
    .several = { $table }: { $n } rows name a { $column } that { $other } gives to several accounts, or to none; they get no account
data-matched = { $tool }: { $matched } of { $of } records with facts are known accounts ({ $ways })
data-matched_by = { $n } by { $how }
data-matched_by_none = none
data-unmatched = CHK049 { $matched }; { $unmatched } are none that is known ({ $unmatched_rows } rows, ARR { $unmatched_arr }), { $several } could be several ({ $several_rows } rows, ARR { $several_arr }). { $remedy }
data-personal = CHK050 { $table }: { $columns }. { $remedy }
data-personal_column =
    .name = { $column } ({ $kind }, by its name)
    .values = { $column } ({ $kind }, by its values)
personal-email = e-mail address
personal-phone = phone number
personal-person = person's name
personal-ip = IP address
personal-birthday = birthday
personal-address = postal address
personal-identity = identity number

## Data: why the ids of two tables differ

ids-differ = Most of them are in { $other } but for { $difference }: { $remedy }.
ids-both = map the column in both tables with { $expr }
ids-one = map account_id of { $table } with { $expr }
ids-ascii = write them in ASCII: { $expr }
ids-cause-salesforce = the last three characters (Salesforce writes ids with 15 characters in reports, with 18 in its API)
ids-cause-case = upper and lower case
ids-cause-zeros = leading zeros
ids-cause-decimals = a decimal tail (`.0`)
ids-cause-space = white space inside
ids-cause-full_width = full-width letters or digits
ids-cause-accents = accents
ids-cause-signs = hyphens, braces or other signs
ids-cause-prefix = a prefix ({ $prefix })
ids-cause-before = what stands before the last sign of `/ : | # @`
ids-cause-behind = what stands behind the id

## Data: what to do about values at fault

remedy-no_date = If the words mean that there is no date, say so: `{ $words }`.
remedy-no_number = If the words mean that there is no number, say so: `{ $words }`.
remedy-yes_no = Say what the words mean, `true`, `false` or `null`, e.g. `{ $words }`.
remedy-format = Give the column a `format`.
    .mixed = Give the column a `format`, or an `expr` where the formats are mixed.
    .other = They do not fit `format: '{ $form }'`. Without it: { $remedy }
    .one = Add `format: '{ $form }'` to the column; it reads all { $n } examples.
    .one_most = Add `format: '{ $form }'` to the column; it reads { $n } of { $of } examples.
    .two = Add { $forms } to the column: both read all { $n } examples, so only you can tell which is meant.
    .two_most = Add { $forms } to the column: both read { $n } of { $of } examples, so only you can tell which is meant.
    .several = Add { $forms } to the column: each reads all { $n } examples, so only you can tell which is meant.
    .several_most = Add { $forms } to the column: each reads { $n } of { $of } examples, so only you can tell which is meant.
remedy-either = { $one } or { $other }
remedy-excel_days = These look like Excel day numbers: map the column with `{ $expr }`.
remedy-unix =
    .seconds = These look like Unix seconds: map the column with `{ $expr }`.
    .milliseconds = These look like Unix milliseconds: map the column with `{ $expr }`.
    .microseconds = These look like Unix microseconds: map the column with `{ $expr }`.
    .nanoseconds = These look like Unix nanoseconds: map the column with `{ $expr }`.
remedy-comma = Set `decimal: ","` on the column: the comma is the decimal sign here.
remedy-point = The point is the decimal sign here: leave `decimal: ","` out, or set `decimal: "."`.
remedy-whole = The column counts whole { $unit }: map another one, or `{ $expr }`.
remedy-unit = Take { $unit } away: `{ $expr }`.
remedy-number = Map the column with an `expr` that leaves the number alone, e.g. `{ $expr }`.
remedy-percent = These look like percentages written as whole numbers: `{ $expr }`.
remedy-scale = The scale is { $unit }: map the column with an `expr` that brings it there, e.g. `{ $expr }`.
remedy-placeholder = Nothing to do if they mean that there is none; to say it yourself: `{ $expr }`.
remedy-leave_out = { $remedy } Or leave the column out: `{ $column }: null`.
remedy-short_lines = Delete the lines that are no rows (totals, footers, notes), or export the file anew.
remedy-long_lines = Export the file anew with quoted text fields.
remedy-delimiter = Set `{ $delimiter }` on the table: with it the lines fit the header.
remedy-header_field = The lines have 1 field more than the header: name it in the header line, or export the file anew with quoted text fields.
remedy-header_fields = The lines have { $n } fields more than the header: name them in the header line, or export the file anew with quoted text fields.
remedy-all_fields = Set `delimiter` on the table, or export the file anew with all fields in every line.

## Data: why it cannot be loaded

data-too_many = { $n } of { $of } rows of { $table } must be set aside ({ $share })
    .where = { $place }; the rows are in { $file }
    .values = { $n } of { $of } values of { $table }.{ $column } cannot be used ({ $share } of the rows)
data-at_most = at most { $share } (source.max_rejected_share)
data-refusals = { $n } tables cannot be used. First: { $first }
    .also =
        { $before }

        also: { $error }
data-perhaps = { $name } perhaps
data-write = Write `{ $it }`.
data-empty = The table { $table } is empty
data-none_left = `where` leaves none of the { $n } rows of { $table }
    .out = { $n } rows left out
    .undecided = { $n } rows left out, { $undecided } of them because the condition is neither true nor false
    .remedy = Correct or relax `where`, or remove the table from the config: its features are then off.
data-no_period = No plausible dated fact tells the observed period
data-bad_rates = { $n } rows of the rates cannot be read
    .expected = a currency, a day and a positive number in every row
    .remedy = Correct the rows, or name other columns with `currency`, `since` and `rate`.
data-other_currency = Amounts of { $origin } are not in { $currency }: { $counted }
    .expected = amounts in { $currency } (`currency`), or rates to convert them
    .remedy = Name a dated table: `rates: { "{" }from: rates.csv{ "}" }` with currency, since and rate. If all amounts are in one currency, set `currency` to it. Amounts of several currencies are never added.
data-rates_missing = The rates do not cover all amounts of { $origin }
    .expected = for every currency a rate that holds from the first of these days
    .remedy = Add the rates; today's rate is never used for the past.
data-no_column = { $origin } has no column { $column }
data-columns = columns: { $names }
data-unreadable = { $file } cannot be read
    .file = The file { $file } cannot be read
    .remedy = Export or copy the file anew.
data-unreadable_table = The table { $table } cannot be read from the source
    .remedy = Check that the database is up and that the user may read the table.
data-unreadable_member = { $member } in { $file } cannot be read
    .remedy = Look whether another program is writing the file, or copy it anew.
data-no_duckdb = There is no DuckDB file { $file }
data-unopened = { $file } cannot be opened
data-no_driver = The driver of the source is not installed
    .remedy = Run: pip install 'ibis-framework[{ $driver }]'
data-refused = The source refused the connection
    .remedy = Correct { $key }.connection, and check that the database is up and lets you in.
data-no_folder = There is no folder { $folder }
    .remedy = Correct { $key }.folder; a relative path starts at the config file's own folder.
data-no_file = No file matches { $pattern }
    .where = { $place } in { $folder }
    .holds = the folder holds { $files }
    .none = an empty folder
data-no_table = There is no table { $table } in the source
    .there = tables: { $tables }
    .none = no tables
data-sql = The SQL cannot be evaluated
data-sql_rows = An SQL expression of the config fails on some rows
    .remedy = Use try_cast(… AS …) where values may be malformed, or leave such rows out with `where`.
data-condition = The condition fails on some rows
    .remedy = Use try_cast(… AS …) where values may be malformed.
data-no_csv = The file { $file } cannot be read as CSV
data-open_quote = A quote that opens in line { $line } of { $file } is never closed
    .remedy = Close or remove the quote; everything behind it would be lost.
data-no_fit = About { $n } of { $of } lines of { $file } do not fit its header
    .got = CHK007 malformed line: { $fields } fields where the header has { $header }, e.g. { $example }
data-no_header = The header of { $file } cannot be read
data-not_in_encoding = The file { $file } is not { $encoding }
    .remedy = Correct `encoding` on the table.
data-not_utf8 = The file { $file } is not UTF-8
    .remedy = Set `encoding` on the table to the one that reads well: { $encodings }.
    .utf16 = a UTF-16 byte order mark
    .byte = byte { $byte } in line { $line }
    .reads = as { $encoding } it reads { $text }
    .bytes = bytes that are not UTF-8
data-tables_in = { $file } holds { $n } tables
    .none = { $file } holds no table
data-zstandard = The file { $file } is zstandard that cannot be unpacked
    .remedy = Copy it anew.
data-locked = { $file } is locked with a password
    .remedy = Unpack it.
data-kinds = CSV, JSON, Parquet, an Excel workbook (.xlsx, .xls, .ods), packed or not; SQLite or DuckDB
data-starts = it starts with { $start }
data-empty_file = The file { $file } is empty
data-other_kind = The file { $file } is a { $kind } file
    .bunzip2 = Unpack it (`bunzip2`), or pack it with gzip.
    .unxz = Unpack it (`unxz`), or pack it with gzip.
    .unpack = Unpack it.
    .as_csv = Export the table as CSV.
    .convert = Convert it to Parquet or CSV.
    .as_parquet = Write it as Parquet.
data-web_page = The file { $file } is a web page or XML, not a table
    .remedy = A login or error page was saved in its place, or the tool calls HTML a workbook: export as CSV.
data-not_of_kind = { $file } is no { $kind } file, whatever its name says
    .remedy = Export or copy the file anew.
data-no_json = { $file } does not hold JSON
    .remedy = Export it as JSON lines: one object `{ "{" }…{ "}" }` per line.
data-bad_json = { $file } cannot be read as JSON
    .remedy = Export it as JSON lines: one object per line.
data-no_object = { $file } holds no JSON object
    .remedy = Write one object per line.
data-kind_unknown = The kind of { $file } is not known
    .remedy = Give the file an ending that says what it is, or convert it: `duckdb -c "COPY (…) TO 'x.parquet'"`.
data-personal_words = { $table }.{ $column } looks like a person's data: { $kind }
    .expected = words that describe the account or the act, as they become features and stand in reports
data-circle = Records were merged in a circle
data-parents_circle = Accounts are part of each other: { $n ->
    [one] one circle
   *[other] { $n } circles
 }
data-unknown_parents = CHK053 accounts.parent_id: { $n ->
    [one] one account is
   *[other] { $n } accounts are
 } part of { $parents ->
    [one] one
   *[other] { $parents }
 } ({ $examples }) that the accounts table does not have. { $remedy }
data-no_identities = There is no file { $file }
data-bad_identities = { $file } cannot be read as a table of identities
    .expected = CSV with the columns source, id and account_id
data-preset_query = The query of the preset cannot be run on this raw table
    .remedy = Map the columns without the preset, or copy it (`churnml presets show`) and adapt it.
data-no_zone = The times of { $origin } carry no zone
    .expected = the zone that the tool wrote them in
    .remedy = Set `{ $key }.timezone`, e.g. `timezone: Europe/Berlin`: the zone of the user or of the account that made the export. It is asked once for the whole source.
data-two_ways = The dates of { $origin } can be read in two ways
    .remedy = Set `{ $key }.date_order: day` if the day stands first, `month` if the month does.
data-two_numbers = { $n } numbers can be read in two ways: { $example } is { $whole }, or { $decimal }
    .expected = a decimal sign that the values or the config settle
    .remedy = Set `decimal: "{ $other }"` on the column if { $whole } is meant, `decimal: "{ $sign }"` if { $decimal } is.
data-attribute_name = An attribute cannot be called { $name }
    .expected = a lower-case name that is not already a column of accounts
    .remedy = Rename the attribute.
data-no_sheet = { $file } has no sheet { $sheet }
    .there = sheets: { $sheets }
data-empty_sheet = The sheet { $sheet } of { $file } has no rows
data-no_excel = { $file } is an Excel workbook, and the reader of workbooks is not installed
    .remedy = Run: pip install 'churnml[excel]', or export the sheet as CSV.
data-no_workbook = { $file } looks like an Excel workbook or a zip archive, and cannot be opened as a workbook
    .expected = a table
    .remedy = Unpack the archive, or open the workbook and export the sheet as CSV (UTF-8).
error-none = none
error-preset_table = The preset { $preset } feeds { $table }, not { $other }
    .remedy = Write it under `tables.{ $table }`.
error-preset_with = The preset { $preset } reads no further raw table called { $table }
error-no_preset = There is no preset { $preset }
    .remedy = `churnml presets list` prints all of them.
error-duckdb_memory = DuckDB ran out of memory reading { $table }
    .remedy = Raise engine.memory_limit, or lower engine.threads.
error-suppression = The list of erased subjects cannot be read
    .remedy = Restore it from a backup: without it the next load would bring them back.

error-machine_full = The disk is full, or a quota or limit is reached
    .remedy = Free some space, then run the command again: nothing half-written was left behind.
error-machine_forbidden = A file or folder may not be read or written
    .remedy = Give the user who runs churnml the right to it, or name another `workspace` in the config.
error-machine_damaged_database = A SQLite database of the workspace is damaged
    .remedy = Restore the file from a backup, or move it away: the next run makes a new one.
error-machine_damaged_parquet = A Parquet file is damaged
    .remedy = Restore the file from a backup, or remove it and run the command again.
error-machine_memory = There is not enough memory
    .remedy = Lower engine.memory_limit in the config, use fewer windows or snapshots, or a larger machine.

## Stages of a run

stage-pull = pull
stage-alerts = alerts
stage-deliver = deliver
stage-data = data
stage-keep = keep
stage-look_at_files = look at files
stage-experiments = experiments
stage-backtest = backtest
stage-replay = replay
stage-kpis = kpis
stage-audit = audit
stage-monitor = monitor
stage-features = features
stage-explain = explain
stage-report = report
stage-simulate = simulate
stage-check = check
stage-snapshots = snapshots
stage-watch = watch
stage-score = score
stage-history = history
stage-publish = publish
stage-curves = curves
stage-fit = fit
stage-track = track
stage-gate = gate
stage-tune = tune
stage-retrain = retrain
progress-fold = { $fold }: train until { $train }, test from { $test }
progress-horizon = { $days } days, { $line }
progress-trial = trial { $n }: log loss { $loss }, { $state }; best { $best }
progress-pull = { $object }: { $rows } rows, { $calls } calls
progress-wait = waiting { $seconds } s
progress-reading = reading { $table }
progress-read = { $table }: { $rows } rows
    .aside = { $table }: { $rows } rows, { $aside } set aside
cli-seconds = { $n } s
cli-left =
    .seconds = { $stage } { $done }, about { $n } s left
    .minutes = { $stage } { $done }, about { $n } min left

## Units of canonical columns, and what further raw tables make known

column-unit-units = units
column-unit-seats = seats
column-unit-people = people
column-unit-events = events
column-unit-months = months
column-unit-score = 0–10 for nps, 1–5 for csat, 1–7 for ces
preset-gain-recipients = the account of every recipient
preset-gain-ticket_accounts = the account of every ticket
preset-gain-deal_accounts = the account of every deal
preset-gain-deal_stages = which deals are closed and won
preset-gain-engagement_accounts = the account of every engagement
preset-gain-meetings = when meetings took place
preset-gain-calls = when calls took place
preset-gain-mails = when mails were sent
preset-gain-priorities = the words of priorities that are numbers
preset-gain-issue_types = the words of issue types that are numbers
preset-gain-ticket_history = when tickets were solved and opened again
preset-gain-first_answer_users = when a person first answered; needs users as well
preset-gain-first_answer_comments = when a person first answered; needs comments as well
preset-gain-member_accounts = the account of members that name only a contact
preset-gain-case_accounts = the account of cases that name only a contact
preset-gain-mrr_seats = MRR and seats
preset-gain-payments = when invoices were paid
preset-gain-seats_end = seats and the agreed end
preset-gain-mrr = MRR
preset-gain-pages = the names of pages
preset-gain-features = the names of features

## churnml check, simulate, features and --set

cli-check-table = table
cli-check-rows = rows
cli-check-reason = reason
cli-check-simulated = A simulated company in { $folder }
cli-check-canonical = Canonical tables
cli-check-observed = Observed from { $from } until { $until } (exclusive).
cli-check-aside = Set aside
cli-frame-size = { $rows } rows of { $accounts } accounts at { $snapshots } snapshots ({ $from } to { $until }), { $features } features.
cli-frame-labelled = { $rows } rows have a final label, { $positive } of them positive.
cli-usable-tables = How usable the tables are
cli-usable-tools = Records of each tool that are known accounts
cli-usable-families = What it allows of each family of features
cli-usable-and_more = { $words } and { $more } more
cli-usable-days = { $n } days
cli-usable-match =
    .known = known
    .unknown = unknown
    .several = could be several
cli-usable-column =
    .table = table
    .rows = rows
    .accounts = accounts
    .covered = of all
    .from = from
    .until = until
    .days = days
    .behind = ends early
    .absent = not supplied
    .tool = tool
    .records = records
    .family = family
    .measures = measures
    .off = off
    .unlocks = adding this unlocks so many
cli-features-column =
    .family = family
    .features = features
    .levels = levels
    .trends = trends
    .ranks = ranks
    .examples = for example
    .feature = feature
    .unit = unit
    .risk = more of it: risk
    .meaning = meaning
    .missing = missing means
cli-features-risk =
    .lower = lower
    .none = –
    .higher = higher
cli-features-counted = { $n } features. `{ $by_family }`, `{ $by_kind }` or `{ $by_name }` show some, `{ $all }` every one.
cli-features-kinds = { $n } features of { $kinds } kinds.
cli-what_if-heading = What if, for { $account }
cli-what_if-before = before
cli-what_if-after = after
cli-what_if-probability = { $target } probability
cli-what_if-health = health
cli-what_if-band = band
cli-what_if-no_promise = This asks the model, not the world: it is no promise of what a call would change.
cli-what_if-outside = Outside what was seen in training: { $features }
cli-what_if-linked = Left as they are, though they measure the same: { $features }

## churnml train

cli-train-model = model
cli-train-verdict = Verdict:
cli-train-backtest =
    { $folds ->
        [one] Backtest out of time: { $folds } fold, as_of { $from } to { $until }, { $rows } rows, { $positives } { $happened }
       *[other] Backtest out of time: { $folds } folds, as_of { $from } to { $until }, { $rows } rows, { $positives } { $happened }
    }
cli-train-horizon = Horizon of { $days } days: { $figures } ({ $positives } of { $rows } rows)
cli-train-champion = Version { $version } is the champion now.
cli-train-no_champion = Version { $version } does not replace the champion.
cli-train-outcome =
    .beats = beats it
    .level = draws level
    .loses = loses to it
cli-train-beside = Beside a { $name } regression:
cli-train-kind = Kind: { $kind } – { $reason }.
cli-train-used = used
cli-train-not_used = not used
cli-train-tuning = Tuning: what was found is { $used } – { $reason }
cli-train-keep_params = Put them under model.params to keep them without a search: { $params }
cli-train-capacity = Contacting the { $likeliest } { $share } of each snapshot (95 % intervals draw accounts)
cli-train-cases = cases
cli-train-caught = caught
cli-train-caught_arr = their ARR caught
cli-train-precision = precision
cli-train-lift = lift
cli-train-lead = Lead time: { $alerted } of { $churners } cases were at alert level beforehand, median { $median } days (quartiles { $lower } and { $upper }), { $share } at least 30 days.
cli-train-month = { $months } mo { $auc }
cli-train-oldest = ROC AUC of the oldest fold's model by months since its training: { $months }.
cli-train-worth = { $name } { $worth } { $currency } an account (area under the profit curve { $area })
cli-train-profit = Expected maximum profit of a campaign at the assumed save rate: { $model }; best baseline: { $rival }. Over { $campaigns } campaigns at least { $every_days } days apart: none is saved twice.

## churnml alerts, tasks and experiments

cli-alerts-none = No alert waits. They are evaluated after each `churnml score`.
cli-alerts-held = { $n } held back: each owner gets at most { $budget } new ones a week, the largest avoidable loss first.
cli-alerts-one = alert { $id }
cli-alerts-due = due { $on }
cli-alerts-state =
    .open = open
    .acknowledged = acknowledged
    .snoozed = snoozed
    .closed = closed
    .held_back = held back
cli-alerts-outcome =
    .saved = saved
    .lost = lost
    .false_alarm = false alarm
    .not_a_risk = not a risk
cli-alerts-column =
    .id = id
    .account = account
    .alert = alert
    .owner = owner
    .due = due
    .loss = avoidable loss
    .state = state
    .rule = rule
    .alerts = alerts
    .held_back = held back
    .judged = judged
    .left = left
    .precision = precision
    .lift = lift
    .early = warned ≥ 30 days before
cli-alerts-tried_by =
    .risk = The weekly budget went by risk.
    .uplift = The weekly budget went by what a contact avoids, as it does today; that ranking was learnt from lots, whose outcomes may lie within these dates.
cli-alerts-tried = { $snapshots } snapshots from { $from } to { $until }: { $per_week } alerts per owner and week, { $held } held back by the budget.
cli-alerts-caught = { $precision } of them were followed by churn within the horizon (base rate { $base }); { $early } of { $churners } accounts that left had one shown at least 30 days before.
cli-alerts-off = off: { $kind } (needs { $column }, which your data does not carry)
cli-tasks-none = No task waits. Alerts begin them after each `churnml score`.
cli-tasks-no_playbooks = The config names no playbooks (`playbooks:`), so alerts begin no tasks.
cli-tasks-one = task { $id }
cli-tasks-due = due { $on }
cli-tasks-days = { $n } d
cli-tasks-after = after { $steps }
cli-tasks-begins = alerts: { $alerts }
cli-tasks-would_alert =
    Beyond what is open already, the snapshot of { $as_of } would open { $alerts ->
        [one] { $alerts } alert
       *[other] { $alerts } alerts
    } ({ $held_back } held back by the budget, { $not_contacted } not contacted by experiment).
cli-tasks-would_open =
    { $n ->
        [one] This would open { $n } task for { $owners }.
       *[other] This would open { $n } tasks for these owners: { $owners }.
    }
cli-tasks-would_not = This would open no task.
cli-tasks-state =
    .open = open
    .waiting = waiting
    .done = done
    .skipped = skipped
    .cancelled = cancelled
cli-tasks-column =
    .id = id
    .account = account
    .task = task
    .owner = owner
    .due = due
    .alert = alert
    .state = state
cli-experiment-heading = Experiment “{ $name }”: { $share } held out, each account followed for { $days } days; drawn from { $from } to { $until }.
cli-experiment-arm =
    .contacted = contacted
    .held_out = not contacted
cli-experiment-column =
    .arm = arm
    .accounts = accounts
    .followed = followed
    .churned = churned
    .rate = churn rate
    .lost = ARR lost ({ $currency })
    .worked = with a task done
cli-experiment-by_now = would show by now
cli-experiment-in_weeks = would show in about { $weeks } weeks at this pace
cli-experiment-needed = An effect of { $looked_for } of the churn takes { $n } followed accounts and { $when }.
cli-experiment-detectable = What is followed so far would show an effect of { $share } of the churn or more.
cli-experiment-avoided = churn avoided { $value } (95 %: { $low } to { $high })
cli-experiment-unknown = Too little is known for an estimate: { $why }.
cli-experiment-contact = A contact avoids { $value } (95 %: { $low } to { $high }) churn, in points of the churn rate.
cli-experiment-keeps = It keeps { $value } { $currency } of ARR an account (95 %: { $low } to { $high }).
cli-experiment-no_effect = No effect is as likely as that: the interval holds 0.
experiment-few_followed = { $n } accounts of the smaller arm are followed to the end, and { $least } are the least
experiment-few_churned = { $n } accounts have churned, and { $least } are the least

## A ranking by what a contact avoids

cli-experiment-no_uplift = No ranking by what a contact avoids yet: { $why }.
cli-experiment-qini_risk = Ranked by risk, contacts avoid { $value } (95 %: { $low } to { $high }) more churn than as many drawn by chance, in points of the churn rate (Qini).
cli-experiment-qini_uplift = Ranked by what a contact avoids: { $value } (95 %: { $low } to { $high }).
cli-experiment-qini_gain = The difference: { $value } (95 %: { $low } to { $high }).
cli-experiment-qini_arr = In ARR, each ranking times ARR: { $value } { $currency } an account (95 %: { $low } to { $high }).
cli-experiment-shown_from = A difference of { $least } or more counts as shown: a bound that holds however often one looks.
cli-experiment-holds_until =
    .uplift = That decision holds until { $until }, then it must be made again.
    .risk = What was decided for ranking by what a contact avoids holds until { $until }, and only with experiments.rank_by_uplift; now the budget goes by risk.
cli-experiment-gain_needs = So large a difference would show with { $accounts } followed accounts, { $churners } churners among those not contacted.
cli-experiment-beats = Ranking by what a contact avoids beats ranking by risk.
cli-experiment-beats_not = Ranking by what a contact avoids is not shown to beat ranking by risk.
cli-experiment-ranked_by =
    .risk = risk
    .uplift = what a contact avoids
cli-experiment-budget_decided = The alert budget goes by { $by } (decided on { $at }).
cli-experiment-budget_undecided = The alert budget goes by { $by } (`churnml experiments rank` decides).
cli-experiment-set_rank_by_uplift = Set experiments.rank_by_uplift: true to have the alert budget go by it.
experiment-uplift_few_followed = { $n } accounts of the smaller arm are followed to the end, and { $least } are the least
experiment-uplift_few_churned = { $contacted } contacted and { $held_out } held-out accounts have churned, and { $least } of each are the least
experiment-uplift_repeated = the same accounts were drawn again and again, so none are left to learn from

## churnml deliver, keys, kpis, presets and init

cli-deliver-busy = Another process is delivering ({ $who }); nothing was done.
cli-deliver-finished =
    { $n ->
        [one] { $n } task that was finished in { $target } is done here too.
       *[other] { $n } tasks that were finished in { $target } are done here too.
    }
cli-deliver-why = `{ $list }` says why; `{ $resend }` tries again.
cli-deliver-waiting =
    { $n ->
        [one] { $n } waits for the next `churnml deliver`.
       *[other] { $n } wait for the next `churnml deliver`.
    }
cli-deliver-due =
    { $n ->
        [one] { $target }: { $n } record is due
       *[other] { $target }: { $n } records are due
    }
cli-deliver-ok = ok
cli-deliver-missing = MISSING
cli-deliver-remedy = do: { $remedy }
cli-deliver-none = No dead letters.
cli-deliver-state =
    .waiting = waiting
    .sending = sending
    .sent = sent
    .accepted = accepted
    .refused = refused
    .unknown = unknown
cli-deliver-column =
    .target = target
    .accepted = accepted
    .sent = sent
    .refused = refused
    .retried = retried
    .unknown = unknown
    .calls = calls
    .next_try = next try
    .stopped = stopped by
    .id = id
    .key = key
    .state = state
    .reason = reason
    .said = said
cli-keys-keep = Keep it: it is not shown again. Id { $id }, scopes { $scopes }, { $days } days.
cli-keys-header = Send it as a header: { $header }
cli-keys-revoked = Key { $id } ({ $name }) is revoked.
cli-keys-none = There is no key. Make one: `churnml keys create NAME`.
cli-keys-never = never
cli-keys-state =
    .usable = usable
    .revoked = revoked
    .expired = expired
cli-keys-column =
    .id = id
    .name = name
    .scopes = scopes
    .created = created
    .expires = expires
    .state = state
cli-kpis-none = No month is wholly observed yet, grace days included.
cli-kpis-all = All accounts; amounts in { $currency }
cli-kpis-by = By { $name }, { $month }
cli-kpis-ttm = TTM: the twelve months up to the end of the month. { $csv } and { $json } hold every month and KPI.
cli-kpis-column =
    .month = month
    .accounts = accounts
    .mrr = MRR
    .churn = churn
    .grr = GRR
    .nrr = NRR
    .churn_ttm = churn TTM
    .grr_ttm = GRR TTM
    .nrr_ttm = NRR TTM
    .renewed = renewed
    .by_value = by value
    .ltv = LTV
## Lifetime value as a KPI
co-worth = What an account is worth
co-worth-each = Each, on average
co-worth-span = Bounds
co-worth-total = All together
co-worth-within = In 24 months
co-worth-source = Made of
co-worth-curves = accounts’ curves
    .how = The mean residual value of the accounts at hand on { $on }: { $margin } margin on what each will go on paying by its own survival curve, growth of those who stay counted in, a year’s wait costing { $discount }. The bounds are meant to hold { $level } of the time; margin, growth and discount are taken for certain. What comes after 24 months is extrapolated, for eight years at most.
co-worth-contracts = contracts
    .how = The lifetime value of a new account by the contracts of the newest month, for no survival curves are shown: { $margin } margin × MRR per account × the months that a new account is expected to stay, a year’s wait costing { $discount } (Fader & Hardie 2007, 2010).
co-list-worth = Accounts by what they are worth
    .how = Discounted gross profit to come of each account by its survival curve, with its own bounds; the bounds of a sum are not the sum of these.
col-residual_value = Residual value
col-residual_low = Lower bound
col-residual_high = Upper bound
cli-kpis-value =
    .title = What an account is worth; amounts in { $currency }
    .of = of
    .all = all accounts
    .accounts = accounts
    .each = each
    .between = bounds
    .total = together
    .within = in 24 months
    .source = made of
    .curves = curves
    .contracts = contracts
    .curves-how = Curves: mean residual value of the accounts at hand on { $day }, { $margin } margin, a year's wait costing { $discount }; bounds meant to hold { $level } of the time.
    .contracts-how = Contracts: lifetime value of a new account, { $margin } margin, a year's wait costing { $discount }; no survival curves are shown.
co-record = How forecasts held
    .how = Nine in ten months, and nine in ten quarters, should come inside their interval. A few misses prove little either way.
co-record-name_published = as published
co-record-name_rederived = made afterwards
co-record-published = As published: { $inside } of { $months } months and { $whole } of { $quarters } quarters came inside; of the months most of whose accounts were told by their curve, { $own } of { $curves }.
co-record-rederived = Made afterwards, by curves learnt from what was known on one day a year before the training: { $inside } of { $months } months and { $whole } of { $quarters } quarters came inside. These curves were not moved to a published probability, and looked up to a year ahead.
co-record-none = No past forecast by curves is kept yet, and the training made none afterwards: too little history, or no curves are shown.
cli-kpis-record =
    .title = Past renewal forecasts by quarter; ARR in { $currency }
    .quarter = quarter
    .made = forecast of
    .accounts = accounts
    .arr = due
    .expected = expected
    .between = 90 % interval
    .came = came
    .published = As published: { $inside } of { $months } months and { $whole } of { $quarters } quarters came inside; of the months told by curves, { $own } of { $curves }.
    .rederived = Made afterwards, by curves of one day a year before the training: { $inside } of { $months } months and { $whole } of { $quarters } quarters came inside.
    .none = No past renewal forecast by curves is kept yet, and the training made none afterwards.
## Survival: when accounts will be lost
survival-half_by = Half of such accounts are lost by { $day }; the data allow { $earliest } to { $latest }.
survival-half_not_before = Half of such accounts are not lost before { $earliest }, and perhaps not within { $months } months.
survival-most_stay = More than half of such accounts are still there after { $months } months; { $low } to { $high } are lost by then.
# Beside whom a curve is drawn, and the risk at the renewal
survival-at_renewal = At the renewal on { $day }: { $value } ({ $low }–{ $high }) of such accounts are lost.
survival-peers_plan = { $n } other accounts on { $group }
survival-peers_segment = { $n } other accounts of { $group }
survival-peers_all = { $n } other accounts
cli-survival-title = When accounts will be lost, as of { $day }; value in { $currency }; in brackets how far the model moves when it is fitted anew
cli-survival-between = { $value } ({ $low }–{ $high })
cli-survival-lost = Learnt from { $at_decision } accounts lost at the end of a term and { $between } lost at another time.
cli-survival-silent = Learnt from { $at_once } accounts that did nothing any more and { $later } that fell silent later; the past reaches { $months } months ahead.
cli-survival-column =
    .account = Account
    .decision = Next decision
    .risk = Lost there
    .year = Lost in 12 months
    .value = Still worth
    .sentence = What such accounts do
cli-init-none = No config was written.
cli-init-wrote = Wrote { $path }. Next:
cli-init-unused = not used: { $path }: { $why }
cli-init-look = look at: { $question }
cli-init-look_at = look at { $table }: { $question }
cli-init-needs = look at { $table }: { $known } needs `{ $key }` on its source
cli-init-zone = e.g. Europe/Berlin
cli-init-column =
    .file = file
    .tool = tool · object
    .table = table
    .rows = rows
    .from = from
    .until = until
    .met = accounts that meet
cli-init-by_identities = identities
cli-init-role =
    .beside = (read beside)
    .identities = (identities)

## The service, when it starts

serve-unscored = No snapshot has been scored yet: features can be sent, accounts not asked for by id.
serve-serving =
    { $n ->
        [one] Serving { $name }: { $n } account as of { $as_of }, at { $url }
       *[other] Serving { $name }: { $n } accounts as of { $as_of }, at { $url }
    }
serve-pages = Pages: { $url }
serve-nobody_signs_in = Nobody has to sign in (--insecure).
serve-keyless = No API keys are asked for (--insecure), so only this machine can call.
serve-no_key = No API key can be used yet. Make one: { $command }
serve-try = Try: { $command }      API: { $url }
serve-by_provider = Sign in with an account of { $issuer }
serve-by_proxy = Sign in through the proxy that sends { $header }
serve-by_mail = Sign in with a link by mail, which the page sends to who is known
serve-by_link = Sign in with a link: { $command }
serve-nobody_yet = Nobody has been added yet. Add yourself, then open the link that the second command prints:

## churnml daily, users, erase, export, backup and pull

cli-daily-none = No daily run yet.
cli-daily-ran = { $from }  { $outcome }
    .ended = { $from }, ended { $until }  { $outcome }
cli-daily-ended = { $config }: { $outcome } after { $seconds } s
cli-daily-not_told = { $target } was not told: { $why }; the next run tries again.
cli-daily-stage =
    .done = done
    .unchanged = unchanged
    .not_due = not due
    .running = running
    .killed = killed
    .failed = failed
    .skipped = skipped
cli-daily-unit =
    .done = done
    .failed = failed
    .refused = refused
    .busy = another run is at it
    .memory = too large for the memory
    .killed = killed
cli-daily-column =
    .config = config
    .stage = stage
    .outcome = outcome
    .rows = rows
    .seconds = seconds
    .megabytes = MB
    .starts = starts
    .why = why
cli-users-none = There is nobody yet. Add the first: { $command }
cli-users-user = { $name } <{ $email }>, { $role }
    .owner = { $name } <{ $email }>, { $role }, owner { $owner }
cli-users-added = Added { $user }. Next: { $next }
cli-users-changed = Changed { $user }.
cli-users-disabled = { $name } is let in no more.
cli-users-enabled = { $name } is let in again.
cli-users-signed_out =
    { $n ->
        [one] One session was ended.
       *[other] { $n } sessions were ended.
    }
cli-users-link = It signs { $name } in once, until { $until } UTC. It is not shown again.
cli-users-mailed = It was mailed to { $email }.
cli-users-elsewhere = People elsewhere need another address: set { $key }.
cli-users-let_in_no_more = let in no more
cli-users-column =
    .name = name
    .email = email
    .role = role
    .owner = owner
    .language = language
    .signed_in = signed in
    .since = since
cli-privacy-exported = { $n } rows of { $tables } tables are in { $file }.
cli-privacy-told = Told by the next `churnml deliver`: { $targets }.
cli-privacy-by_hand = Cannot be told; remove it there by hand: { $targets }.
cli-privacy-own_file = Your own file, which churnml never writes: { $path }, rows { $rows }
cli-privacy-unread = Sources of your own that were not looked through: { $sources }.
cli-privacy-left = STILL THERE: { $files }
cli-privacy-column =
    .removed = removed from
    .would_be_removed = would be removed from
    .rows = rows
cli-backup-made = { $megabytes } MB are in { $file }.
cli-backup-restored = Restored as of { $at } UTC; { $n } accounts erased again.
cli-pull-planned = { $source }: { $tool }, { $n } of { $most } calls today
cli-pull-everything = everything
cli-pull-since = since { $at }
cli-pull-column =
    .source = source
    .object = object
    .rows_in = rows in
    .accepted = accepted
    .rejected = rejected
    .duplicate = duplicate
    .preset = preset

## MLflow: what a run and a version are said to be

mlflow-trained = Trained { $at } UTC on { $rows } labelled rows of { $accounts } accounts, { $positive } positive, as of { $from } to { $until }.
mlflow-predicts = Predicts { $target } within { $days } days from { $features } features ({ $kind }). Data { $data }, config { $config }, bundle { $bundle }.
mlflow-verdict = Verdict: { $verdict }. { $reason }
mlflow-champion = Champion since { $at }, by { $by }: { $reason }

## Plots of a training

plot-model = model
plot-undefined = undefined: only one outcome
plot-roc = ROC, pooled folds
plot-others_above = others above the threshold
plot-many_above = { $many } above the threshold
plot-precision_recall = Precision and recall, pooled folds
plot-recall = recall
plot-precision = precision
plot-reliability = Reliability: tenths of the scores
plot-mean_probability = mean probability
plot-rate = { $noun } rate
plot-rate_wilson = { $noun } rate (95 %, Wilson)
plot-gain = Gain, pooled folds
plot-lift = Lift, pooled folds
plot-contacted = share of accounts contacted
plot-share_found = share of { $many } among them
plot-over_base = { $noun } rate ÷ base rate
plot-capacity = capacity { $share }
plot-profit = Profit of contacting the riskiest; assumed save rate { $rate }, contact { $contact }, offer { $offer }
plot-profit_per_snapshot = profit per snapshot, currency
plot-by_outcome = Probabilities by outcome
plot-probability = { $noun } probability
plot-outcome_rows = share of the outcome's rows
plot-outcome =
    .churn = churned ({ $n })
    .expansion = expanded ({ $n })
    .contraction = contracted ({ $n })
    .none = did not ({ $n })
plot-every_snapshot = Every test snapshot
plot-log_loss = log loss
plot-solid_dashed = solid: happened, dashed: predicted
plot-shap = contribution to the log-odds of { $noun } (SHAP value)
plot-shap_axis = contribution to the log-odds
plot-grey = grey: missing
plot-colour = value of the feature
plot-low = low
plot-high = high

## Versions of the model on the terminal

models-version = version
models-made = made
models-verdict = verdict
models-champion = champion
models-forced = forced
models-side_by_side = Each on its own backtest
models-no_rows = Their backtests share no rows, so there is no paired gain.
models-promoted = { $version } is the champion now (before: { $before }).
models-none = none
models-metric =
    .roc_auc = ROC AUC
    .average_precision = PR AUC
    .log_loss = log loss
    .brier = Brier
    .ece = cal. error
    .lift_at_10 = lift at 10 %

## Scores on the terminal

scored-heading = { $n } accounts with the highest { $by }, as of { $on }
scored-expected_loss = expected loss (probability × ARR{ $share })
scored-expected_gain = expected gain (probability × ARR{ $share })
scored-chance = { $target } probability
scored-account = account
scored-health = health
scored-band = band
scored-reasons = top reasons
scored-in_band = { $n } { $band }
scored-bands = { $n } accounts: { $bands }
scored-where = Where everything lies
scored-scores = scores
scored-explanations = explanations
scored-bundle = model bundle
scored-experiments = experiments
scored-next = Next:

## The red threshold on the terminal

thresholds-calls = { $accounts } accounts with a band as of { $as_of }; the team can call { $calls } of them ({ $csms } × { $each } calls a week for { $weeks } weeks).
thresholds-share = { $accounts } accounts with a band as of { $as_of }; the team can contact { $calls } of them (capacity.share { $share }).
thresholds-now = Red below { $edge } makes { $red } accounts red.
thresholds-proposed = Red below { $edge } would make { $red } red.
thresholds-every_one = Green begins at { $green }: the team can call every account below green.
thresholds-to_use = To use it, set { $setting } in the config and train again.

## churnml explain

explained-head = { $target } probability { $chance }, health { $health }
explained-raising = Associated with likelier { $target }
explained-lowering = Associated with less likely { $target }
